//! The table, the pages, the index and the rules speak of the same drills.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use drill::drills::page::{Language, Page, When};
use drill::drills::rules;
use drill::drills::table::{DRILLS, Drill, Expect};
use drill::drills::traceql::Filter;

fn root() -> PathBuf {
    stack::repository_root(env!("CARGO_MANIFEST_DIR").as_ref()).unwrap()
}

fn pages() -> impl Iterator<Item = (&'static Drill, Page)> {
    let read = |drill: &'static Drill| (drill, Page::read(&root(), drill.name).unwrap());
    DRILLS.iter().map(read)
}

#[test]
fn every_drill_has_a_page_and_a_line_of_the_index_and_no_other_does() {
    let drills: BTreeSet<String> = DRILLS.iter().map(|drill| drill.name.to_owned()).collect();
    let names = fs::read_dir(root().join("docs/drills")).unwrap();
    let files: BTreeSet<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .map(|name| name.trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(drills, files);
    let index = fs::read_to_string(root().join("docs/drills/README.md")).unwrap();
    let linked = index.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| [")?.split_once("](")?;
        assert!(rest.starts_with(&format!("{name}.md)")), "{line}");
        Some(name.to_owned())
    });
    assert_eq!(linked.collect::<BTreeSet<_>>(), drills);
}

#[test]
fn every_page_shows_its_fault_in_all_three_signals() {
    for (drill, page) in pages() {
        for language in [Language::Promql, Language::Logql, Language::Traceql] {
            let is_shown = page.queries.iter().any(|query| query.language == language);
            assert!(is_shown, "{}: nothing in {}", drill.name, language.signal());
        }
        let is_seen = page.queries.iter().any(|query| query.when == When::Broken);
        assert!(is_seen, "{}: nothing to see before the fix", drill.name);
    }
}

#[test]
fn every_trace_query_can_be_asked_of_the_archive_too() {
    for (drill, page) in pages() {
        let traces = page
            .queries
            .iter()
            .filter(|query| query.language == Language::Traceql);
        for query in traces {
            Filter::parse(&query.text).unwrap_or_else(|error| panic!("{}: {error:#}", drill.name));
        }
    }
}

#[test]
fn the_alert_of_a_drill_is_a_rule_and_is_named_on_its_page() {
    let known = rules::alerts(&root()).unwrap();
    for (drill, page) in pages() {
        if let Expect::Alert { name, .. } = drill.alert {
            assert!(
                known.iter().any(|rule| rule == name),
                "{}: no rule {name}",
                drill.name
            );
            let text = fs::read_to_string(&page.path).unwrap();
            assert!(
                text.contains(&format!("`{name}`")),
                "{} does not name {name}",
                drill.name
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
