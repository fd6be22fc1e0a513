//! The compose file and its overlays against `.env`, `stack.toml` and the rules of hardening.

use std::collections::{BTreeMap, BTreeSet};

use stack::Topology;
use yaml_serde::Value;

use crate::repository::{env, files, keys, read, root, strings, yaml};

/// What each container has, with the exceptions. A key without a value must be absent.
const HARDENING: &[(&str, &str)] = &[
    ("read_only", "true"),
    ("cap_drop", "ALL"),
    ("cap_add", ""),
    ("security_opt", "no-new-privileges:true"),
    ("privileged", ""),
    ("devices", ""),
    ("pid", ""),
    ("ipc", ""),
    ("network_mode", ""),
    ("user", "10001:10001"),
    ("restart", "unless-stopped"),
    ("pids_limit", "256"),
    ("logging.driver", "json-file"),
    ("logging.options.max-size", "10m"),
    ("logging.options.max-file", "3"),
    ("logging.options.tag", "{{.Name}}"),
];
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("prometheus", "user", "65534:65534"),
    ("grafana", "user", "472:0"),
    // The engine's log files belong to root and have an SELinux label of their own.
    ("promtail", "user", "0:0"),
    (
        "promtail",
        "security_opt",
        "no-new-privileges:true,label=disable",
    ),
];
/// What an overlay may change: nothing that confines a container.
const OVERLAY_KEYS: &[&str] = &[
    "command",
    "entrypoint",
    "environment",
    "profiles",
    "user",
    "volumes",
];

fn topology() -> Topology {
    Topology::read(&root()).unwrap()
}

/// The services of the compose file with its YAML merges applied, one level per turn.
fn services() -> BTreeMap<String, Value> {
    let mut compose = yaml("docker-compose.yml");
    for _ in 0..3 {
        compose.apply_merge().unwrap();
    }
    services_of(&compose)
}

fn services_of(compose: &Value) -> BTreeMap<String, Value> {
    let names = keys(&compose["services"]).into_iter();
    names
        .map(|name| (name.clone(), compose["services"][&*name].clone()))
        .collect()
}

/// Each overlay by its path.
fn overlays() -> Vec<(String, BTreeMap<String, Value>)> {
    let folders = ["collector", "grafana", "services"].into_iter();
    let paths = folders.flat_map(|folder| files(folder, &[".compose.yaml"]));
    paths
        .map(|path| (path.clone(), services_of(&yaml(&path))))
        .collect()
}

/// A scalar as text, a list as its items with commas, nothing as an empty text.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Sequence(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => yaml_serde::to_string(other).unwrap().trim().to_owned(),
    }
}

fn at(service: &Value, path: &str) -> String {
    text(path.split('.').fold(service, |value, key| &value[key]))
}

#[test]
fn compose_has_the_components_of_stack_toml_and_no_others() {
    let topology = topology();
    let table: BTreeSet<_> = topology.components.iter().map(|c| &*c.name).collect();
    let services = services();
    assert_eq!(
        services.keys().map(|name| &**name).collect::<BTreeSet<_>>(),
        table
    );
    for component in &topology.components {
        let profile = if component.is_service() {
            "services"
        } else {
            ""
        };
        assert_eq!(
            at(&services[&component.name], "profiles"),
            profile,
            "{}",
            component.name
        );
    }
}

#[test]
fn each_container_is_hardened() {
    for (name, service) in services() {
        for (key, value) in HARDENING {
            let exception = EXCEPTIONS
                .iter()
                .find(|(of, what, _)| *of == name && what == key);
            let expected = exception.map_or(*value, |(_, _, value)| *value);
            assert_eq!(at(&service, key), expected, "{name}: {key}");
        }
        for key in [
            "mem_limit",
            "cpus",
            "healthcheck.interval",
            "healthcheck.retries",
        ] {
            assert!(!at(&service, key).is_empty(), "{name} has no {key}");
        }
    }
}

#[test]
fn an_overlay_changes_no_hardening_and_combines_with_the_others() {
    let (services, header) = (services(), read("docker-compose.yml"));
    let mut lists = BTreeSet::new();
    let overlays = overlays();
    assert!(overlays.len() >= 4, "{overlays:?}");
    for (path, changed) in overlays {
        assert!(
            header.contains(&path),
            "docker-compose.yml does not name {path}"
        );
        for (name, service) in changed {
            assert!(services.contains_key(&name), "{path}: {name}");
            for key in keys(&service) {
                assert!(OVERLAY_KEYS.contains(&&*key), "{path}: {name}: {key}");
                // The last overlay would replace the list of the one before.
                let is_list = ["command", "entrypoint"].contains(&&*key);
                assert!(
                    !is_list || lists.insert((name.clone(), key.clone())),
                    "{path}: {name}: {key}"
                );
            }
            let user = at(&service, "user");
            assert!(
                user.is_empty() || user == "${ARCHIVE_USER}",
                "{path}: {name}: {user}"
            );
        }
    }
}

#[test]
fn an_archive_overlay_leaves_out_the_same_components_as_stack_toml() {
    let topology = topology();
    let collector = topology.component("otel-collector").unwrap();
    let overlays = overlays();
    for overlay in &collector.overlays {
        let argument = overlay.arguments[0].rsplit('/').next().unwrap();
        let path = format!("collector/{}", argument.replace(".yaml", ".compose.yaml"));
        let (_, services) = overlays.iter().find(|(name, _)| *name == path).unwrap();
        let service = &services["otel-collector"];
        let started = [at(service, "command"), at(service, "entrypoint")].concat();
        assert!(
            started.contains(&format!("--config=/etc/otelcol/{argument}")),
            "{started}"
        );
        let needing = topology
            .components
            .iter()
            .filter(|c| c.needs.as_ref() == Some(&overlay.without));
        let expected: BTreeSet<_> = needing
            .map(|c| &*c.name)
            .chain([&*overlay.without])
            .collect();
        assert_eq!(absent(services), expected, "{path}");
    }
}

fn absent(services: &BTreeMap<String, Value>) -> BTreeSet<&str> {
    let all = services
        .iter()
        .filter(|(_, service)| at(service, "profiles") == "absent");
    all.map(|(name, _)| &**name).collect()
}

#[test]
fn prometheus_scrapes_each_container_that_is_started() {
    let env = env();
    let scraped =
        |path: &str| -> Vec<serde_json::Value> { serde_json::from_str(&read(path)).unwrap() };
    let all: Vec<_> = files("grafana/prometheus", &[".json"])
        .iter()
        .flat_map(|path| scraped(path))
        .collect();
    let topology = topology();
    let with_metrics = topology
        .components
        .iter()
        .filter(|component| component.metrics.is_some());
    for component in with_metrics.clone() {
        let (name, port) = (
            &component.name,
            env.port(component.metrics.as_ref().unwrap()).unwrap(),
        );
        let expected = serde_json::json!({
            "targets": [format!("{name}:{port}")],
            "labels": {"job": name, "component": name, "service_name": name},
        });
        assert!(all.contains(&expected), "{name} is not scraped");
    }
    assert_eq!(all.len(), with_metrics.count());
    // An overlay mounts an empty list over the targets of what it leaves out.
    for (path, services) in overlays() {
        let mounts = services
            .get("prometheus")
            .map(|service| strings(&service["volumes"]));
        let mut removed = BTreeSet::new();
        for mount in mounts.into_iter().flatten() {
            let (from, rest) = mount.split_once(":/etc/prometheus/").unwrap();
            assert!(scraped(from).is_empty(), "{path}: {from}");
            let file = rest.split(':').next().unwrap();
            for target in scraped(&format!("grafana/prometheus/{file}")) {
                removed.insert(target["labels"]["job"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(
            removed.iter().map(|name| &**name).collect::<BTreeSet<_>>(),
            absent(&services),
            "{path}"
        );
    }
}

#[test]
fn a_bind_mount_is_read_only_labelled_for_selinux_and_creates_nothing() {
    let base = [("docker-compose.yml".to_owned(), services())];
    for (path, services) in base.into_iter().chain(overlays()) {
        for (name, service) in services {
            // Its exception above.
            let is_unlabelled = name == "promtail";
            for mount in service["volumes"].as_sequence().into_iter().flatten() {
                let Some(short) = mount.as_str() else {
                    // Of the host. Compose drops the SELinux label of this form.
                    assert_eq!(at(mount, "type"), "bind", "{path}: {name}");
                    assert_eq!(at(mount, "read_only"), "true", "{path}: {name}");
                    assert_eq!(
                        at(mount, "bind.create_host_path"),
                        "false",
                        "{path}: {name}"
                    );
                    assert!(
                        is_unlabelled && at(mount, "source").starts_with("${"),
                        "{path}: {name}"
                    );
                    continue;
                };
                assert!(!short.contains("docker.sock"), "{path}: {name}");
                if let Some(mount) = short.strip_prefix("./") {
                    let parts: Vec<_> = mount.split(':').collect();
                    assert!(root().join(parts[0]).exists(), "{path}: {short}");
                    let flags = if is_unlabelled { "ro" } else { "ro,z" };
                    assert_eq!(parts.get(2), Some(&flags), "{path}: {name}: {short}");
                } else {
                    let is_volume = short.starts_with(|c: char| c.is_ascii_lowercase());
                    assert!(
                        is_volume || short == "${ARCHIVE_DIR}:/data:z",
                        "{path}: {name}: {short}"
                    );
                }
            }
        }
    }
}

#[test]
fn ports_are_published_on_loopback_and_equal_the_env_file_inside() {
    let (env, services, topology) = (env(), services(), topology());
    for component in &topology.components {
        let (name, service) = (&component.name, &services[&component.name]);
        let published = strings(&service["ports"]);
        assert!(!published.is_empty(), "{name}");
        for port in published {
            let rest = port
                .strip_prefix("127.0.0.1:${")
                .unwrap_or_else(|| panic!("{name}: {port}"));
            let (variable, inside) = rest.split_once("}:").unwrap();
            assert!(
                component.ports.iter().any(|own| own == variable),
                "{name}: {port}"
            );
            assert_eq!(env.get(variable), Some(inside), "{name}: {port}");
        }
        // The health check asks the port that the launcher asks.
        let ready = env.expand(&component.ready).unwrap();
        let address = ready.split("//").nth(1).unwrap().split('/').next().unwrap();
        let check = at(service, "healthcheck.test");
        assert!(
            check.contains(address),
            "{name}: {check} does not ask {address}"
        );
        // The services and Grafana get their addresses by variables of their own.
        for variable in component
            .ports
            .iter()
            .filter(|_| !component.is_service() && name != "grafana")
        {
            let inside = at(
                &services["otel-collector"],
                &format!("environment.{variable}"),
            );
            assert_eq!(env.get(variable), Some(&*inside), "{variable}");
        }
    }
}

#[test]
fn a_container_is_started_and_stopped_as_the_process_is() {
    // Directories differ; flags, settings and times do not.
    let flag = |argument: &str| {
        argument
            .trim_start_matches('-')
            .split('=')
            .next()
            .unwrap()
            .to_owned()
    };
    let (services, topology) = (services(), topology());
    for component in &topology.components {
        let (name, service) = (&component.name, &services[&component.name]);
        let seconds = format!("{}s", component.stop_within.as_secs());
        assert_eq!(at(service, "stop_grace_period"), seconds, "{name}");
        for (variable, value) in &component.environment {
            let inside = at(service, &format!("environment.{variable}"));
            if let Some(called) = component
                .calls
                .iter()
                .find(|name| *variable == format!("SHOP_{}_URL", name.to_uppercase()))
            {
                assert!(
                    inside.starts_with(&format!("http://{called}:")),
                    "{name}: {variable}={inside}"
                );
            } else if !value.contains("${") && variable != "SHOP_FAULTS" {
                assert_eq!(inside, *value, "{name}: {variable}");
            }
        }
        if component.is_service() || name == "grafana" {
            continue;
        }
        let native = component.arguments.iter().map(|argument| flag(argument));
        let native: BTreeSet<_> = native.filter(|flag| flag != "web.listen-address").collect();
        let inside: BTreeSet<_> = strings(&service["command"])
            .iter()
            .map(|argument| flag(argument))
            .collect();
        assert_eq!(inside, native, "{name}");
    }
}

#[test]
fn a_stack_container_carries_the_hash_of_its_files() {
    let services = services();
    for component in topology()
        .components
        .iter()
        .filter(|component| !component.is_service())
    {
        let name = &component.name;
        let expected = format!("${{FILES_{}:-}}", name.to_uppercase().replace('-', "_"));
        assert_eq!(
            text(&services[name]["labels"]["otel-shop.files"]),
            expected,
            "{name}"
        );
    }
}

#[test]
fn services_reach_the_collector_and_each_other_only_and_no_proxy_is_between() {
    let (services, topology) = (services(), topology());
    for component in &topology.components {
        let (name, service) = (&component.name, &services[&component.name]);
        let networks = match name.as_str() {
            "otel-collector" => "shop,telemetry",
            _ if component.is_service() => "shop",
            _ => "telemetry",
        };
        assert_eq!(at(service, "networks"), networks, "{name}");
        for variable in ["NO_PROXY", "no_proxy"] {
            let hosts = at(service, &format!("environment.{variable}"));
            let hosts: BTreeSet<_> = hosts.split(',').collect();
            let mut expected: BTreeSet<_> = topology.components.iter().map(|c| &*c.name).collect();
            expected.extend(["localhost", "127.0.0.1"]);
            assert_eq!(hosts, expected, "{name}: {variable}");
        }
        for host in [
            "COLLECTOR_HOST",
            "TEMPO_HOST",
            "PROMETHEUS_HOST",
            "LOKI_HOST",
        ] {
            let inside = at(service, &format!("environment.{host}"));
            assert!(
                inside.is_empty() || services.contains_key(&inside),
                "{name}: {host}={inside}"
            );
        }
    }
}

#[test]
fn each_image_is_built_here_or_pinned_in_the_env_file() {
    let (env, dockerfile) = (env(), read("services/Dockerfile"));
    for (name, image) in env.iter().filter(|(name, _)| name.ends_with("_IMAGE")) {
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{name}");
    }
    let services = services();
    for component in &topology().components {
        let (name, service) = (&component.name, &services[&component.name]);
        let (image, target) = (at(service, "image"), at(service, "build.target"));
        let Some(version) = &component.version else {
            assert_eq!(
                (image, &*target),
                (format!("otel-shop/{name}"), "service"),
                "{name}"
            );
            continue;
        };
        if target.is_empty() {
            assert_eq!(image, format!("${{{version}}}"), "{name}");
        } else {
            let from = format!("FROM ${{{version}}} AS {target}\n");
            assert!(dockerfile.contains(&from), "{name}: no {from}");
            assert_eq!(
                at(service, "pull_policy"),
                "build",
                "{name}: an old image would stay"
            );
        }
    }
}
