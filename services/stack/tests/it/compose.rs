//! The compose file against `.env`, the table of components and its own rules. What the engine makes of it is read back
//! by `just containment`.

use std::collections::BTreeSet;

use stack::{Component, Topology};
use yaml_serde::Value;

use crate::repository::{env, keys, read, root, strings, yaml};

/// The compose file with its merges applied: one level of them per turn.
fn compose() -> Value {
    let mut compose = yaml("docker-compose.yml");
    for _ in 0..3 {
        compose.apply_merge().unwrap();
    }
    compose
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("neither text nor number: {other:?}"),
    }
}

/// Seconds of `20s`.
fn seconds(value: &Value) -> u64 {
    text(value).strip_suffix('s').unwrap().parse().unwrap()
}

fn topology() -> Topology {
    Topology::read(&root()).unwrap()
}

fn each(check: impl Fn(&Component, &Value)) {
    let compose = compose();
    for component in &topology().components {
        check(component, &compose["services"][&*component.name]);
    }
}

#[test]
fn it_has_the_components_of_the_table_and_no_others() {
    let table: BTreeSet<_> = topology().components.into_iter().map(|c| c.name).collect();
    let services: BTreeSet<_> = keys(&compose()["services"]).into_iter().collect();
    assert_eq!(services, table);
}

#[test]
fn every_container_is_confined_limited_watched_and_started_again() {
    each(|component, service| {
        let name = &*component.name;
        assert_eq!(service["read_only"], Value::Bool(true), "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert!(service["cap_add"].is_null(), "{name}");
        let security = strings(&service["security_opt"]);
        assert_eq!(security, ["no-new-privileges:true"], "{name}");
        for limit in ["mem_limit", "cpus", "pids_limit"] {
            assert!(!service[limit].is_null(), "{name} has no {limit}");
        }
        let user = text(&service["user"]);
        assert_eq!(user.starts_with("0:"), name == "promtail", "{name}: {user}");
        assert_eq!(text(&service["restart"]), "unless-stopped", "{name}");
        assert!(service["healthcheck"]["test"].is_sequence(), "{name}");
        assert!(
            service["logging"]["options"]["max-size"].is_string(),
            "{name}"
        );
    });
}

#[test]
fn a_container_has_as_long_to_end_as_the_process_has() {
    each(|component, service| {
        let given = seconds(&service["stop_grace_period"]);
        assert_eq!(given, component.stop_within.as_secs(), "{}", component.name);
    });
}

#[test]
fn every_port_is_published_on_loopback_and_is_inside_what_the_env_file_ships() {
    let env = env();
    each(|component, service| {
        let published = strings(&service["ports"]);
        assert!(!published.is_empty(), "{}", component.name);
        for port in published {
            let rest = port
                .strip_prefix("127.0.0.1:${")
                .unwrap_or_else(|| panic!("{port}"));
            let (variable, inside) = rest.split_once("}:").unwrap();
            assert!(
                component.ports.contains(&variable.to_owned()),
                "{}: {port}",
                component.name
            );
            assert_eq!(env.get(variable), Some(inside), "{port}");
        }
    });
}

#[test]
fn inside_every_program_has_the_port_that_the_env_file_ships() {
    let (env, inside) = (env(), compose()["x-inside"].clone());
    for (name, port) in env.iter().filter(|(name, _)| name.ends_with("_PORT")) {
        let topology = topology();
        let mut owners = topology.components.iter();
        let owner = owners
            .find(|c| c.ports.iter().any(|port| *port == name))
            .unwrap();
        // The services and Grafana are told their addresses otherwise.
        if owner.is_service() || owner.name == "grafana" {
            continue;
        }
        assert_eq!(text(&inside[name]), port, "{name}");
    }
    for host in [
        "COLLECTOR_HOST",
        "TEMPO_HOST",
        "PROMETHEUS_HOST",
        "LOKI_HOST",
    ] {
        let named = text(&inside[host]);
        assert!(topology().component(&named).is_ok(), "{host}: {named}");
        assert!(env.get(host).is_some(), "{host} is not in .env");
    }
}

#[test]
fn images_are_pinned_in_the_env_file() {
    let (env, dockerfile) = (env(), read("services/Dockerfile"));
    let pinned = env.iter().filter(|(name, _)| name.ends_with("_IMAGE"));
    let compose = read("docker-compose.yml");
    for (name, image) in pinned {
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{name}");
        let is_used = [&compose, &dockerfile]
            .iter()
            .any(|text| text.contains(&format!("${{{name}}}")));
        assert!(is_used, "{name} is used nowhere");
    }
    each(|component, service| {
        let image = text(&service["image"]);
        let is_built_here = service["build"].is_mapping() && image.starts_with("otel-shop/");
        assert!(
            is_built_here || image.starts_with("${"),
            "{}: {image}",
            component.name
        );
    });
}

#[test]
fn a_bind_mount_is_read_only_exists_and_is_never_made_by_the_engine() {
    each(|component, service| {
        for mount in service["volumes"].as_sequence().into_iter().flatten() {
            if mount["type"] != "bind" {
                continue;
            }
            let source = text(&mount["source"]);
            assert_eq!(
                mount["read_only"],
                Value::Bool(true),
                "{}: {source}",
                component.name
            );
            let creates = &mount["bind"]["create_host_path"];
            assert_eq!(*creates, Value::Bool(false), "{}: {source}", component.name);
            if let Some(path) = source.strip_prefix("./") {
                assert!(root().join(path).exists(), "{source}");
            }
            assert!(!source.contains("docker.sock"));
        }
    });
}

#[test]
fn containers_get_the_flags_that_processes_get() {
    // Places differ, which the two ways have each their own of.
    let flag = |argument: &str| {
        let argument = argument.trim_start_matches('-').to_owned();
        argument.split('=').next().unwrap_or_default().to_owned()
    };
    each(|component, service| {
        if component.is_service() || component.name == "grafana" {
            return;
        }
        let native = component.arguments.iter().map(|argument| flag(argument));
        let native: BTreeSet<_> = native.filter(|name| name != "web.listen-address").collect();
        let inside = strings(&service["command"]);
        let inside: BTreeSet<_> = inside.iter().map(|argument| flag(argument)).collect();
        assert_eq!(inside, native, "{}", component.name);
    });
}

#[test]
fn services_reach_the_collector_and_their_peers_only() {
    let shop = |name: &str| strings(&compose()["services"][name]["networks"]);
    each(|component, _| {
        let networks = shop(&component.name);
        match &*component.name {
            "otel-collector" => assert_eq!(networks, ["shop", "telemetry"]),
            _ if component.is_service() => assert_eq!(networks, ["shop"]),
            _ => assert_eq!(networks, ["telemetry"]),
        }
    });
}

#[test]
fn prometheus_scrapes_each_container_that_has_metrics() {
    let env = env();
    let targets: serde_json::Value =
        serde_json::from_str(&read("grafana/prometheus/targets.json")).unwrap();
    let expected: Vec<_> = topology()
        .components
        .into_iter()
        .filter_map(|component| Some((component.name, component.metrics?)))
        .map(|(name, port)| {
            let address = format!("{name}:{}", env.port(&port).unwrap());
            serde_json::json!({
                "targets": [address],
                "labels": {"job": name, "component": name, "service_name": name},
            })
        })
        .collect();
    assert_eq!(targets, serde_json::json!(expected));
}

#[test]
fn every_volume_is_declared_and_used() {
    let compose = compose();
    let declared: BTreeSet<_> = keys(&compose["volumes"]).into_iter().collect();
    let mut used = BTreeSet::new();
    for name in keys(&compose["services"]) {
        let mounts = compose["services"][&*name]["volumes"]
            .as_sequence()
            .cloned();
        for mount in mounts.into_iter().flatten() {
            if let Some(volume) = mount.as_str() {
                used.insert(volume.split(':').next().unwrap().to_owned());
            }
        }
    }
    assert_eq!(used, declared);
}
