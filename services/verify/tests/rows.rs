//! The rows against the contract.

use std::collections::BTreeSet;
use std::path::Path;

use checks::Checks;
use contract::Registry;
use verify::claim::Row;
use verify::expectations::{arriving, closing, promql};
use verify::target::lists;

#[test]
fn every_documented_name_has_a_row_or_a_reason_and_every_row_a_name_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let lists = lists(&root).unwrap();
    let checks = Checks::read(&root, &lists).unwrap();
    let contract = Registry::of(&root).unwrap();
    let documented: BTreeSet<&str> = contract
        .span_names()
        .union(&contract.event_names())
        .copied()
        .collect();
    let texts = format!("{:?} {:?}", checks.rows, checks.trees);
    let words: BTreeSet<&str> = texts
        .split(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c))
        .collect();
    for name in &documented {
        let is_excused = checks.unprovoked.contains_key(*name);
        assert!(
            words.contains(name) != is_excused,
            "{name} needs exactly one of a row and a reason"
        );
    }
    for name in checks.unprovoked.keys() {
        assert!(
            documented.contains(name.as_str()),
            "{name} is not documented"
        );
    }
    let mut names = BTreeSet::new();
    let all = checks.rows.iter().map(Row::check);
    for row in all.chain(arriving()).chain(closing(&lists.services)) {
        assert!(names.insert(row.name.clone()), "{}", row.name);
    }
}

/// A typo in a row that expects no series would never be seen.
#[test]
fn every_metric_of_a_row_is_documented_or_derived() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checks = Checks::read(&root, &lists(&root).unwrap()).unwrap();
    let contract = Registry::of(&root).unwrap();
    let series: BTreeSet<String> = contract
        .metrics
        .iter()
        .flat_map(|metric| metric.series())
        .collect();
    let derived = [
        "traces_",
        "http_request_",
        "http_requests_",
        "otelcol_",
        "loki_",
    ];
    let is_metric = |word: &&str| {
        word.ends_with("_total") || word.ends_with("_count") || word.ends_with("_bucket")
    };
    for promql in promql(&checks) {
        let words = promql.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        for word in words
            .filter(is_metric)
            .filter(|word| !word.starts_with('_'))
        {
            let is_derived = derived.iter().any(|prefix| word.starts_with(prefix));
            assert!(is_derived || series.contains(word), "{word} in {promql}");
        }
    }
}
