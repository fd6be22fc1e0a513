//! `TELEMETRY.md` and the constants say the same.

use std::collections::BTreeSet;

use telemetry::config::VARIABLES;
use telemetry::names::metrics::Instrument;
use telemetry::names::{attributes, events, metrics, spans};

const CONTRACT: &str = include_str!("../../TELEMETRY.md");

/// Rows of the tables under `## heading` whose first cell is one name, as cells without backticks.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let sections = CONTRACT.split("\n## ");
    let section = sections
        .skip(1)
        .find(|section| section.lines().next() == Some(heading))
        .unwrap_or_else(|| panic!("no section {heading:?}"));
    // "Allowed values" is a second table of its section: it is compared by its own test.
    let first_table = section.split("\nAllowed values").next().unwrap();
    let lines = first_table.lines().filter(|line| line.starts_with("| `"));
    lines.map(cells).collect()
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim_matches('|').split('|');
    inner.map(|cell| cell.trim().replace('`', "")).collect()
}

#[track_caller]
fn check(heading: &str, constants: &[&str]) {
    let documented: BTreeSet<_> = rows(heading)
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    let constants: BTreeSet<_> = constants.iter().map(|name| (*name).to_owned()).collect();
    let missing: Vec<_> = constants.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&constants).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "TELEMETRY.md, {heading}: missing {missing:?}, without a constant {unknown:?}"
    );
    assert_eq!(
        rows(heading).len(),
        constants.len(),
        "a name twice in {heading}"
    );
}

#[test]
fn spans_events_and_attributes_are_the_documented_ones() {
    check("Spans", spans::ALL);
    check("Log events", events::ALL);
    check("Attributes", attributes::ALL);
}

#[test]
fn metrics_have_the_documented_instrument_unit_and_attributes() {
    let names: Vec<_> = metrics::ALL.iter().map(|metric| metric.name).collect();
    check("Metrics", &names);
    for row in rows("Metrics") {
        let metric = metrics::ALL
            .iter()
            .find(|metric| metric.name == row[0])
            .unwrap();
        let instrument = match metric.instrument {
            Instrument::Counter => "counter",
            Instrument::UpDownCounter => "updowncounter",
            Instrument::Histogram => "histogram",
            Instrument::Gauge => "gauge",
        };
        let constant = [instrument, metric.unit, &metric.attributes.join(", ")];
        assert_eq!(row[1..4], constant, "{}", metric.name);
    }
}

#[test]
fn allowed_values_are_the_documented_ones() {
    for (key, values) in [
        (attributes::ORDER_OUTCOME, attributes::ORDER_OUTCOMES),
        (
            attributes::RESERVATION_OUTCOME,
            attributes::RESERVATION_OUTCOMES,
        ),
    ] {
        let row = format!("| `{key}` | `{}` |", values.join("`, `"));
        assert!(CONTRACT.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn variables_have_the_documented_default_reader_and_meaning() {
    let names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    check("Variables", &names);
    for (row, variable) in rows("Variables").iter().zip(VARIABLES) {
        let constant = [
            variable.name,
            variable.default,
            variable.read_by,
            variable.meaning,
        ];
        assert_eq!(row[..], constant);
    }
}

#[test]
fn names_are_well_formed() {
    let all = [spans::ALL, events::ALL, attributes::ALL].concat();
    for name in all {
        let parts_are_words = name.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        assert!(parts_are_words, "{name}");
    }
}
