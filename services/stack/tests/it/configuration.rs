//! Configuration files: they parse, name only variables that exist, and repeat nothing that `.env` says.

use std::collections::BTreeSet;

use yaml_serde::Value;

use crate::repository::{env, files, keys, read, strings, without_comments, yaml};

/// Set by the launcher: for a process, or for compose.
const LAUNCHER_VARIABLES: &[&str] = &[
    "STACK_ROOT",
    "STACK_HOME",
    "STACK_DATA",
    "STACK_LOGS",
    "ARCHIVE_DIR",
    "ARCHIVE_USER",
    "GRAFANA_DASHBOARDS",
];

/// Set by compose alone; natively their defaults hold.
const COMPOSE_VARIABLES: &[&str] = &["CONTAINER_LOGS:-", "CONTAINER_PREFIX:-"];

fn shipped() -> Vec<String> {
    let mut shipped = files("collector", &[".yaml"]);
    shipped.extend(files("grafana", &[".yaml"]));
    shipped
}

fn collector() -> [Value; 3] {
    [
        yaml("collector/config.yaml"),
        yaml("collector/archive-traces.yaml"),
        yaml("collector/archive-logs.yaml"),
    ]
}

#[test]
fn every_yaml_file_parses() {
    let shipped = shipped();
    assert!(shipped.len() >= 10, "{shipped:?}");
    for file in &shipped {
        assert!(!yaml(file).is_null(), "{file} is empty");
    }
}

#[test]
fn every_variable_of_a_configuration_file_is_in_the_env_file_or_set_by_the_launcher() {
    let env = env();
    for file in shipped() {
        // Grafana reads a doubled `$` as one of its own variables.
        let text = without_comments(&read(&file)).replace("$$", "");
        for rest in text.split("${").skip(1) {
            let name = rest.split('}').next().unwrap();
            let name = name.strip_prefix("env:").unwrap_or(name);
            let has_default = COMPOSE_VARIABLES
                .iter()
                .any(|known| name.starts_with(known));
            assert!(
                env.get(name).is_some() || LAUNCHER_VARIABLES.contains(&name) || has_default,
                "{file}: {name}"
            );
        }
    }
}

#[test]
fn no_configuration_file_repeats_a_port_of_the_env_file() {
    let env = env();
    let ports: Vec<_> = env
        .iter()
        .filter(|(name, _)| name.ends_with("_PORT"))
        .collect();
    for file in shipped() {
        let text = without_comments(&read(&file));
        let numbers: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
        for (name, port) in &ports {
            assert!(!numbers.contains(port), "{file} says {port}: use {name}");
        }
    }
}

#[test]
fn prometheus_scrapes_and_evaluates_as_often_as_metrics_leave() {
    let interval: u64 = env()
        .get("OTEL_METRIC_EXPORT_INTERVAL")
        .unwrap()
        .parse()
        .unwrap();
    let expected = format!("{}s", interval / 1000);
    assert_eq!(
        interval % 1000,
        0,
        "the files that cannot expand it say whole seconds"
    );
    let global = &yaml("grafana/prometheus/prometheus.yaml")["global"];
    assert_eq!(global["scrape_interval"].as_str().unwrap(), expected);
    assert_eq!(global["evaluation_interval"].as_str().unwrap(), expected);
    for file in files("grafana/prometheus/rules", &[".yaml"]) {
        for group in yaml(&file)["groups"].as_sequence().unwrap() {
            assert_eq!(group["interval"].as_str().unwrap(), expected, "{file}");
        }
    }
}

#[test]
fn connectors_and_grafana_expand_the_interval_from_the_environment() {
    let connectors = &yaml("collector/config.yaml")["connectors"];
    for connector in ["span_metrics", "service_graph"] {
        let interval = connectors[connector]["metrics_flush_interval"]
            .as_str()
            .unwrap();
        assert_eq!(
            interval, "${env:OTEL_METRIC_EXPORT_INTERVAL}ms",
            "{connector}"
        );
    }
    let source = &yaml("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0];
    assert_eq!(
        source["jsonData"]["timeInterval"].as_str().unwrap(),
        "${OTEL_METRIC_EXPORT_INTERVAL}ms"
    );
}

#[test]
fn the_builder_has_exactly_the_components_that_the_configuration_uses() {
    let manifest = yaml("collector/builder.yaml");
    for (section, suffix) in [
        ("receivers", "receiver"),
        ("processors", "processor"),
        ("exporters", "exporter"),
        ("connectors", "connector"),
        ("extensions", "extension"),
    ] {
        let built: BTreeSet<String> = manifest[section]
            .as_sequence()
            .unwrap()
            .iter()
            .map(|entry| {
                let module = entry["gomod"].as_str().unwrap().split(' ').next().unwrap();
                module
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .trim_end_matches(suffix)
                    .to_owned()
            })
            .collect();
        let used: BTreeSet<String> = collector()
            .iter()
            .flat_map(|config| keys(&config[section]))
            .map(|id| id.split('/').next().unwrap().replace('_', ""))
            .collect();
        assert_eq!(built, used, "{section}");
    }
}

#[test]
fn every_component_of_the_collector_is_part_of_a_pipeline() {
    for config in collector() {
        let service = &config["service"];
        let pipelines = service["pipelines"].as_mapping().unwrap();
        let named: BTreeSet<String> = pipelines
            .iter()
            .flat_map(|(_, pipeline)| {
                ["receivers", "processors", "exporters"].map(|part| strings(&pipeline[part]))
            })
            .flatten()
            .chain(strings(&service["extensions"]))
            .collect();
        for section in [
            "receivers",
            "processors",
            "exporters",
            "connectors",
            "extensions",
        ] {
            for id in keys(&config[section]) {
                assert!(
                    named.contains(&id),
                    "{section}: {id} is configured and not used"
                );
            }
        }
    }
}

#[test]
fn memory_is_limited_first_in_every_pipeline() {
    for config in collector() {
        for (name, pipeline) in config["service"]["pipelines"].as_mapping().unwrap() {
            let processors = strings(&pipeline["processors"]);
            assert_eq!(
                processors.first().map(String::as_str),
                Some("memory_limiter"),
                "{name:?}"
            );
        }
    }
}

#[test]
fn no_exporter_to_a_backend_ever_gives_up_or_forgets_its_queue() {
    let exporters = &yaml("collector/config.yaml")["exporters"];
    for id in keys(exporters) {
        let exporter = &exporters[&*id];
        assert_eq!(
            exporter["retry_on_failure"]["max_elapsed_time"].as_str(),
            Some("0s"),
            "{id}"
        );
        if id == "prometheus_remote_write" {
            // This one would cap the whole retry loop.
            assert_eq!(exporter["timeout"].as_str(), Some("0s"));
            continue;
        }
        assert_eq!(
            exporter["sending_queue"]["storage"].as_str(),
            Some("file_storage"),
            "{id}"
        );
        assert_eq!(
            exporter["sending_queue"]["sizer"].as_str(),
            Some("items"),
            "{id}"
        );
    }
    let storage = &yaml("collector/config.yaml")["extensions"]["file_storage"];
    assert_eq!(storage["fsync"].as_bool(), Some(true));
    let promtail = yaml("grafana/promtail/promtail.yaml");
    assert_eq!(
        promtail["clients"][0]["backoff_config"]["max_retries"].as_u64(),
        Some(0)
    );
}

#[test]
fn links_between_data_sources_lead_to_sources_that_exist() {
    let files = files("grafana/provisioning/datasources", &[".yaml"]);
    let sources: Vec<_> = files
        .iter()
        .flat_map(|file| yaml(file)["datasources"].as_sequence().unwrap().clone())
        .collect();
    let uids: BTreeSet<_> = sources
        .iter()
        .map(|source| source["uid"].as_str().unwrap())
        .collect();
    assert_eq!(
        uids,
        BTreeSet::from(["loki", "prometheus", "tempo"]),
        "each once, under its fixed name"
    );
    let mut links = Vec::new();
    sources
        .iter()
        .for_each(|source| collect(source, "datasourceUid", &mut links));
    assert_eq!(
        links.len(),
        5,
        "exemplars, derived field, logs, metrics, service map: {links:?}"
    );
    assert!(links.iter().all(|link| uids.contains(&**link)), "{links:?}");
}

/// Or it would prove something about a page that nobody looks at.
#[test]
fn what_the_test_of_home_asks_is_what_home_asks() {
    let [mut asked, mut shown] = [Vec::new(), Vec::new()];
    collect(
        &yaml("grafana/prometheus/tests/home.test.yaml"),
        "expr",
        &mut asked,
    );
    collect(&yaml("grafana/dashboards/home.json"), "expr", &mut shown);
    let foreign: Vec<_> = asked.iter().filter(|expr| !shown.contains(expr)).collect();
    assert!(!asked.is_empty() && foreign.is_empty(), "{foreign:?}");
}

/// Every text under `key`, at any depth.
fn collect(value: &Value, key: &str, found: &mut Vec<String>) {
    for (name, inner) in value.as_mapping().into_iter().flatten() {
        match inner.as_str() {
            Some(text) if name.as_str() == Some(key) => found.push(text.to_owned()),
            _ => collect(inner, key, found),
        }
    }
    value
        .as_sequence()
        .into_iter()
        .flatten()
        .for_each(|inner| collect(inner, key, found));
}
