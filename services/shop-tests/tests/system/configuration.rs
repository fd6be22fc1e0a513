//! An invalid configuration ends the start, and the error names every mistake in it.

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
        let stderr = rejected(service, &bad);
        for text in bad.iter().flat_map(|(variable, value)| [variable, value]) {
            assert!(stderr.contains(text), "{service}, {text}:\n{stderr}");
        }
    }
}

#[test]
fn a_bad_variable_of_one_service_is_named_with_its_value() {
    for (service, variable, value) in [
        ("inventory", "SHOP_RESERVATION_TTL", "never"),
        ("order", "SHOP_RESERVE_TIMEOUT", "3 bananas"),
        ("order", "SHOP_INVENTORY_URL", "127.0.0.1:8082"),
        ("gateway", "SHOP_ORDER_URL", "ftp://order"),
        ("gateway", "SHOP_TRUST_CALLER", "maybe"),
        ("gateway", "SHOP_FAULTS", "yes please"),
        ("product", "SHOP_FAULTS", "yes please"),
        ("inventory", "SHOP_FAULTS", "yes please"),
        ("gateway", "SHOP_GRAFANA_URL", "not a url"),
    ] {
        let stderr = rejected(service, &[(variable, value)]);
        let is_named = stderr.contains(variable) && stderr.contains(value);
        assert!(is_named, "{service}:\n{stderr}");
    }
}

#[test]
fn a_misspelt_variable_is_rejected_with_a_suggestion() {
    for service in SERVICES {
        let stderr = rejected(service, &[("SHOP_DRAIN_TIMOUT", "5s")]);
        for name in ["SHOP_DRAIN_TIMOUT", "SHOP_DRAIN_TIMEOUT"] {
            assert!(stderr.contains(name), "{service}, {name}:\n{stderr}");
        }
    }
}

#[test]
fn an_address_in_use_ends_the_start_with_1_and_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for service in SERVICES {
        let env = [
            ("SHOP_LISTEN_ADDR", address.clone()),
            ("SHOP_FLUSH_TIMEOUT", "100ms".to_owned()),
        ];
        let exit = Child::spawn(&binary(service), &env).wait();
        let output = format!("{} {:?}", exit.stderr, exit.log_lines);
        assert_eq!(exit.code, Some(1), "{service}:\n{output}");
        assert!(output.contains(&address), "{service}:\n{output}");
    }
}

/// Standard error of a service that does not start with these variables.
#[track_caller]
fn rejected(service: &str, env: &[(&'static str, &str)]) -> String {
    let env = env.iter().map(|(key, value)| (*key, (*value).to_owned()));
    let exit = Child::spawn(&binary(service), &Vec::from_iter(env)).wait();
    assert_eq!(exit.code, Some(64), "{service}:\n{}", exit.stderr);
    exit.stderr
}
