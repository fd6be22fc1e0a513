//! The constants are those of the registry, and its names are well-formed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use contract::{Instrument, Metric, Registry, generate};

#[test]
fn constants_are_those_of_the_registry() {
    let names = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/names");
    for (file, text) in generate::constants(&Registry::shipped().unwrap()) {
        generate::compare(&names.join(file), &text).unwrap();
    }
}

#[test]
fn names_are_unique_and_lower_case_words_separated_by_dots() {
    let registry = Registry::shipped().unwrap();
    let attributes = registry.attributes.iter().map(|attribute| &attribute.name);
    let metrics = registry.metrics.iter().map(|metric| &metric.name);
    let events = registry.events.iter().map(|event| &event.name);
    let spans = registry.business_spans().map(|span| &span.name);
    let lists: [Vec<&String>; 4] = [
        attributes.collect(),
        metrics.collect(),
        events.collect(),
        spans.collect(),
    ];
    for names in lists {
        assert!(!names.is_empty(), "a part of the registry is empty");
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(
            unique.len(),
            names.len(),
            "a name occurs twice in {names:?}"
        );
        for name in names {
            let is_word = |word: &str| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            assert!(name.split('.').all(is_word), "{name}");
        }
    }
}

#[test]
fn mistakes_in_the_registry_are_reported() {
    let metric = "groups:\n  - id: metric.a\n    type: metric\n    brief: A.\n    metric_name: a\n    instrument: counter\n    unit: s\n";
    let by = "    annotations: {shop: {by: [order]}}\n";
    let services = "  - {id: e, type: entity, brief: E., annotations: {shop: {services: [order]}}, attributes: [{ref: service.name}]}\n";
    let attribute = "  - {id: r, type: attribute_group, brief: R., attributes: [{id: shop.a, type: int, brief: A.}]}\n";
    for (text, expected) in [
        (
            format!("{metric}{services}"),
            "annotations.shop.by is missing",
        ),
        (format!("{metric}{by}"), "order is not a service"),
        (format!("{metric}    unti: s\n"), "unknown field `unti`"),
        (
            format!("{metric}{by}    extends: b\n{services}"),
            "extends an unknown group",
        ),
        (
            format!("{metric}{by}    attributes: [{{ref: shop.b}}]\n{services}{attribute}"),
            "the attribute shop.b is not defined",
        ),
        (
            format!("{metric}{by}{services}{services}"),
            "the group e is defined twice",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), &text).unwrap();
        let error = format!("{:#}", Registry::read(directory.path()).unwrap_err());
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn edge_spans_are_named_after_their_attributes() {
    let registry = Registry::shipped().unwrap();
    let query = [
        ("db.system.name", "sqlite"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "products"),
    ];
    let call = [("rpc.system.name", "grpc"), ("rpc.method", "a.B/C")];
    let short_call = [("rpc.system.name", "grpc"), ("rpc.method", "C")];
    let request = [("http.request.method", "GET")];
    let routed = [
        ("http.request.method", "GET"),
        ("http.route", "/products/{id}"),
    ];
    for (name, attributes, expected) in [
        ("SELECT products", &query[..], true),
        ("SELECT * FROM products", &query, false),
        ("a.B/C", &call, true),
        ("C", &call, false),
        ("C", &short_call, false),
        ("GET", &request, true),
        ("GET", &routed, false),
        ("GET /products/{id}", &routed, true),
        ("GET /products/tea", &routed, false),
        ("POST /products/{id}", &routed, false),
    ] {
        let attribute = |key: &str| {
            let mut all = attributes.iter();
            all.find(|(name, _)| *name == key).map(|(_, value)| *value)
        };
        assert_eq!(registry.is_edge_name(name, attribute), expected, "{name}");
    }
}

#[test]
fn units_become_the_suffixes_of_prometheus() {
    use Instrument::{Counter, Gauge, Histogram, UpDownCounter};
    for (name, instrument, unit, expected) in [
        ("a.errors", Counter, "{error}", "a_errors_total"),
        (
            "shop.order.value",
            Histogram,
            "EUR",
            "shop_order_value_EUR_bucket",
        ),
        (
            "process.cpu.time",
            Counter,
            "s",
            "process_cpu_time_seconds_total",
        ),
        (
            "process.memory.usage",
            UpDownCounter,
            "By",
            "process_memory_usage_bytes",
        ),
        ("process.uptime", Gauge, "s", "process_uptime_seconds"),
        ("queue.fill", Gauge, "1", "queue_fill_ratio"),
    ] {
        let metric = Metric {
            id: String::new(),
            name: name.to_owned(),
            brief: String::new(),
            instrument,
            unit: unit.to_owned(),
            by: Vec::new(),
            attributes: Vec::new(),
        };
        assert_eq!(metric.series()[0], expected);
    }
}

/// Skipped where no `weaver` is on `PATH`. `SEMCONV_MODEL` names a folder with the upstream registry where the network has none.
#[test]
fn weaver_accepts_the_registry() {
    let copy = tempfile::tempdir().unwrap();
    let registry = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry");
    for entry in fs::read_dir(registry).unwrap() {
        let entry = entry.unwrap();
        let mut text = fs::read_to_string(entry.path()).unwrap();
        if let Ok(model) = std::env::var("SEMCONV_MODEL")
            && let Some((manifest, _)) = text.split_once("registry_path: ")
        {
            text = format!("{manifest}registry_path: {model}\n");
        }
        fs::write(copy.path().join(entry.file_name()), text).unwrap();
    }
    let mut weaver = Command::new("weaver");
    let weaver = weaver.args(["registry", "check", "-r"]).arg(copy.path());
    match weaver.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => eprintln!("skipped: no weaver"),
        Err(error) => panic!("weaver cannot be started: {error}"),
        Ok(output) => assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}
