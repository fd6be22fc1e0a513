//! The pages, the index and the rules name the same drills, components and alerts.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use drill::page::{Drill, When, signal};
use drill::rules;
use verify::claims::Language;

fn root() -> PathBuf {
    stack::repository_root(env!("CARGO_MANIFEST_DIR").as_ref()).unwrap()
}

#[test]
fn the_index_lists_every_page_once() {
    let drills = Drill::all(&root()).unwrap();
    let listed: BTreeSet<String> = drills.iter().map(|drill| drill.name.clone()).collect();
    assert_eq!(listed.len(), drills.len());
    let files = fs::read_dir(root().join("docs/drills")).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files
        .filter(|name| name != "README.md")
        .map(|name| name.trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(listed, files);
}

#[test]
fn every_page_shows_its_fault_in_all_three_signals() {
    for drill in Drill::all(&root()).unwrap() {
        for language in [Language::PromQl, Language::LogQl, Language::TraceQl] {
            let mut queries = drill.page.queries.iter();
            let is_shown = queries.any(|query| query.language == language);
            assert!(is_shown, "{}: nothing in {}", drill.name, signal(language));
        }
        let is_seen = drill.queries(When::Broken).next().is_some();
        assert!(is_seen, "{}: nothing to see before the fix", drill.name);
    }
}

#[test]
fn components_and_alerts_of_the_front_matter_exist() {
    let topology = stack::Topology::read(&root()).unwrap();
    let rules = root().join("grafana/prometheus/rules");
    let rules =
        ["alerts.yaml", "slo.yaml"].map(|file| fs::read_to_string(rules.join(file)).unwrap());
    for drill in Drill::all(&root()).unwrap() {
        let (name, plan) = (&drill.name, &drill.plan);
        let faults = plan
            .fault
            .components()
            .into_iter()
            .chain(plan.then.components());
        for component in faults.chain(plan.needs.iter().map(String::as_str)) {
            assert!(topology.component(component).is_ok(), "{name}: {component}");
        }
        for alert in plan.alert.iter().chain(&plan.alert_if_absent) {
            let rule = format!("- alert: {}\n", alert.name);
            assert!(
                rules.iter().any(|text| text.contains(&rule)),
                "{name}: no rule {}",
                alert.name
            );
        }
        if let Some(alert) = &plan.alert {
            let quoted = format!("`{}`", alert.name);
            assert!(
                drill.page.text.contains(&quoted),
                "{name} does not name {quoted}"
            );
        }
    }
}

#[test]
fn the_rules_of_a_drill_are_the_shipped_ones_with_shorter_error_budgets() {
    let home = tempfile::tempdir().unwrap();
    let scaled = rules::prepare(&root(), home.path()).unwrap();
    let read = |place: PathBuf, name: &str| fs::read_to_string(place.join(name)).unwrap();
    let own = scaled.join("prometheus/rules");
    let shipped = root().join("grafana/prometheus/rules");
    assert_eq!(
        read(own.clone(), "alerts.yaml"),
        read(shipped.clone(), "alerts.yaml")
    );
    let slo = read(own, "slo.yaml");
    assert_ne!(slo, read(shipped, "slo.yaml"));
    for window in [
        "[10s]",
        "[120s]",
        "offset 10s",
        "slo:sli_error:ratio_rate5m",
    ] {
        assert!(slo.contains(window), "{window}");
    }
    assert!(!slo.contains("[5m]") && !slo.contains("offset 5m"));
}
