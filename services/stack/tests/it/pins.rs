//! Versions and ports: `.env` is the only place; whatever else must name one agrees with it.

use std::collections::BTreeMap;

use stack::Topology;

use crate::repository::{env, files, keys, read, root, yaml};

/// `3.7.6` from `grafana/loki:3.7.6` or `v3.7.6`.
fn version(name: &str) -> String {
    let env = env();
    let value = env.get(name).unwrap();
    value
        .rsplit(':')
        .next()
        .unwrap()
        .trim_start_matches('v')
        .to_owned()
}

/// The version that a `go.mod` requires of a module.
fn required(go_mod: &str, module: &str) -> String {
    let text = read(go_mod);
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.contains("=>"));
    let line = lines.find_map(|line| {
        line.trim_start_matches("require ")
            .strip_prefix(&format!("{module} v"))
    });
    let line = line.unwrap_or_else(|| panic!("{go_mod} does not require {module}"));
    line.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_collector_is_built_in_the_version_of_its_image() {
    let version = version("OTELCOL_IMAGE");
    let manifest = yaml("collector/builder.yaml");
    assert_eq!(manifest["dist"]["version"].as_str().unwrap(), version);
    assert_eq!(
        required(
            "collector/go.mod",
            "go.opentelemetry.io/collector/cmd/builder"
        ),
        version
    );
    for section in [
        "receivers",
        "processors",
        "exporters",
        "connectors",
        "extensions",
    ] {
        for entry in manifest[section].as_sequence().unwrap() {
            let (module, pin) = entry["gomod"].as_str().unwrap().split_once(" v").unwrap();
            // The manifest says why.
            let expected = if module.ends_with("/servicegraphconnector") {
                "0.158.0"
            } else {
                &version
            };
            assert_eq!(pin, expected, "{module}");
        }
    }
}

#[test]
fn prometheus_is_built_in_the_version_of_its_image() {
    // Tags of version 3 are no Go module versions: v3.14.0 has the twin v0.314.0.
    let image = version("PROMETHEUS_IMAGE");
    let parts: Vec<u32> = image.split('.').map(|part| part.parse().unwrap()).collect();
    let twin = format!("0.{}{:02}.{}", parts[0], parts[1], parts[2]);
    assert_eq!(
        required(
            "grafana/prometheus/go.mod",
            "github.com/prometheus/prometheus"
        ),
        twin
    );
}

#[test]
fn no_two_ports_are_the_same_and_each_is_used_by_one_component() {
    let env = env();
    let mut owners = BTreeMap::new();
    for (name, port) in env.iter().filter(|(name, _)| name.ends_with("_PORT")) {
        let other = owners.insert(port.to_owned(), name.to_owned());
        assert_eq!(other, None, "{name} and another are both {port}");
    }
    let topology = Topology::read(&root()).unwrap();
    let components = topology.components.iter();
    let used: Vec<_> = components.flat_map(|component| &component.ports).collect();
    for name in owners.values() {
        let times = used.iter().filter(|used| **used == name).count();
        assert_eq!(times, 1, "{name} is listened on by {times} components");
    }
    assert_eq!(
        used.len(),
        owners.len(),
        "the table names a port that .env does not have"
    );
}

/// Grafana is one program with two configurations: by variables of compose, and by those of stack.toml.
#[test]
fn grafana_has_the_same_settings_natively_and_in_compose() {
    let topology = Topology::read(&root()).unwrap();
    let native = &topology.component("grafana").unwrap().environment;
    let compose = &yaml("docker-compose.yml")["services"]["grafana"]["environment"];
    // Where it listens and where its files are differs.
    let is_compared = |name: &&String| {
        let differs = ["GF_PATHS_", "GF_SERVER_", "GRAFANA_DASHBOARDS"];
        name.starts_with("G") && !differs.iter().any(|prefix| name.starts_with(prefix))
    };
    let names: Vec<_> = keys(compose)
        .into_iter()
        .filter(|name| is_compared(&name))
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    assert_eq!(names.len(), native.keys().filter(is_compared).count());
    for name in names {
        let dashboards = "${STACK_ROOT}/grafana";
        let value = native[&name].replace(dashboards, "/etc/grafana");
        assert_eq!(Some(&*value), compose[&*name].as_str(), "{name}");
    }
}

/// Loki, Promtail, Tempo and Grafana are licensed under the AGPL, or part of such a module.
#[test]
fn only_freely_licensed_programs_are_built_here() {
    let modules: Vec<_> = stack::TOOLS.iter().map(|tool| tool.directory).collect();
    assert_eq!(modules, ["collector", "grafana/prometheus"]);
    for file in files(".", &["go.mod"]) {
        assert!(!read(&file).contains("github.com/grafana/loki"), "{file}");
    }
}

#[test]
fn every_loopback_address_in_code_and_documents_has_a_port_of_the_env_file() {
    let env = env();
    let ports: Vec<_> = env
        .iter()
        .filter(|(name, _)| name.ends_with("_PORT"))
        .map(|(_, port)| port)
        .collect();
    let mut checked = files("collector", &[".md"]);
    checked.extend(files("grafana", &[".md"]));
    checked.push("README.md".to_owned());
    for service in ["gateway", "product", "inventory", "order", "telemetry"] {
        checked.extend(files(
            &format!("services/{service}/src"),
            &[".rs", ".html", ".js"],
        ));
    }
    let mut seen = 0;
    for file in checked {
        // Tests may use any.
        let text = read(&file);
        let text = text.split("#[cfg(test)]").next().unwrap();
        for host in ["127.0.0.1:", "localhost:"] {
            for rest in text.split(host).skip(1) {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let is_real = port.parse::<u16>().is_ok_and(|port| port >= 1024);
                assert!(
                    !is_real || ports.contains(&&*port),
                    "{file}: {host}{port} is not in .env"
                );
                seen += usize::from(is_real);
            }
        }
    }
    assert!(seen > 0);
}

/// Ubuntu 24.04 has `just` 1.21: attributes such as `group` came later.
#[test]
fn the_justfile_has_no_attributes() {
    let attributes: Vec<_> = read("justfile")
        .lines()
        .filter(|line| line.starts_with('['))
        .map(str::to_owned)
        .collect();
    assert!(attributes.is_empty(), "{attributes:?}");
}

/// Two versions of one of these are two global providers or two kinds of request: telemetry that silently goes nowhere.
#[test]
fn no_crate_that_carries_telemetry_is_there_in_two_versions() {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        versions
            .entry(package["name"].as_str().unwrap())
            .or_default()
            .push(package["version"].as_str().unwrap());
    }
    assert!(versions.contains_key("opentelemetry") && versions.contains_key("tonic"));
    for (name, versions) in versions {
        let is_one_of_them =
            name.starts_with("opentelemetry") || ["tonic", "http", "hyper", "slog"].contains(&name);
        assert!(
            !is_one_of_them || versions.len() == 1,
            "{name}: {versions:?}"
        );
    }
}
