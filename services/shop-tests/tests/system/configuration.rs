//! A configuration that cannot be meant ends the start and names every mistake in it.

use telemetry_testing::Child;

use crate::shop::{SERVICES, binary};

#[test]
fn each_bad_variable_is_named_with_its_value() {
    let bad = [
        ("SHOP_LISTEN_ADDR", "localhost"),
        ("SHOP_DRAIN_TIMEOUT", "soon"),
        ("SHOP_MAX_IN_FLIGHT", "0"),
        ("SHOP_MAX_BODY", "-1"),
        ("SHOP_LOG_LEVEL", "loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
    ];
    for service in SERVICES {
        let stderr = refused(service, &bad);
        for (variable, value) in bad {
            assert!(
                stderr.contains(variable),
                "{service} does not name {variable}:\n{stderr}"
            );
            assert!(
                stderr.contains(value),
                "{service} does not show {value:?} of {variable}:\n{stderr}"
            );
        }
    }
}

#[test]
fn what_only_one_service_reads_is_checked_by_it() {
    let cases = [
        ("inventory", "SHOP_RESERVATION_TTL", "never"),
        ("order", "SHOP_RESERVE_TIMEOUT", "3 bananas"),
        ("order", "SHOP_INVENTORY_URL", "127.0.0.1:8082"),
        ("gateway", "SHOP_ORDER_URL", "ftp://order"),
        ("gateway", "SHOP_TRUST_CALLER", "maybe"),
        ("gateway", "SHOP_FAULTS", "yes please"),
        ("product", "SHOP_FAULTS", "yes please"),
        ("inventory", "SHOP_FAULTS", "yes please"),
        ("gateway", "SHOP_GRAFANA_URL", "not a url"),
    ];
    for (service, variable, value) in cases {
        let stderr = refused(service, &[(variable, value)]);
        assert!(
            stderr.contains(variable) && stderr.contains(value),
            "{service}:\n{stderr}"
        );
    }
}

#[test]
fn a_misspelt_variable_is_refused_with_the_name_that_was_meant() {
    for service in SERVICES {
        let stderr = refused(service, &[("SHOP_DRAIN_TIMOUT", "5s")]);
        assert!(stderr.contains("SHOP_DRAIN_TIMOUT"), "{service}:\n{stderr}");
        assert!(
            stderr.contains("SHOP_DRAIN_TIMEOUT"),
            "{service} does not suggest a name:\n{stderr}"
        );
    }
}

#[test]
fn an_address_that_is_taken_ends_the_start_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for service in SERVICES {
        let env = [
            ("SHOP_LISTEN_ADDR", address.clone()),
            ("SHOP_FLUSH_TIMEOUT", "100ms".to_owned()),
        ];
        let exit = Child::spawn(&binary(service), &env).wait();
        assert_eq!(exit.code, Some(1), "{service}:\n{}", exit.stderr);
        let said = format!("{} {:?}", exit.stderr, exit.log_lines);
        assert!(
            said.contains(&address),
            "{service} does not name the address:\n{said}"
        );
    }
}

/// What the service says when it is started so.
#[track_caller]
fn refused(service: &str, env: &[(&str, &str)]) -> String {
    let env: Vec<_> = env
        .iter()
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect();
    let exit = Child::spawn(&binary(service), &env).wait();
    assert_eq!(exit.code, Some(64), "{service}:\n{}", exit.stderr);
    exit.stderr
}
