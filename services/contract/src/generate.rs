//! Generates the constants and `services/telemetry/TELEMETRY.md` from the registry.

use std::fmt::Write as _;
use std::path::Path;

use crate::registry::{AttributeRef, Registry, SpanKind};

/// Regenerates what [`compare`] compares.
pub const COMMAND: &str = "UPDATE=1 cargo test --workspace --test generated";
const TEMPLATE: &str = include_str!("TELEMETRY.template.md");
/// The width at which rustfmt breaks a line.
const WIDTH: usize = 100;

/// Compares a generated file with the text that it must have. With `UPDATE` in the environment, writes the file instead.
pub fn compare(path: &Path, text: &str) -> Result<(), String> {
    let name = path.display();
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(path, text).map_err(|error| format!("{name}: {error}"));
    }
    let found = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    if found == text {
        return Ok(());
    }
    let lines = found.lines().zip(text.lines());
    let line = lines.take_while(|(found, text)| found == text).count() + 1;
    Err(format!(
        "{name} differs from the registry at line {line}. Regenerate it: {COMMAND}"
    ))
}

/// The modules of constants: file name and text.
pub fn constants(registry: &Registry) -> [(&'static str, String); 4] {
    let mut attributes = module(
        "Keys of attributes that the semantic conventions do not define, and the values of the enumerated ones.",
    );
    for attribute in &registry.attributes {
        constant(
            &mut attributes,
            &attribute.name,
            &attribute.name,
            &attribute.brief,
        );
        if !attribute.values.is_empty() {
            values(&mut attributes, &attribute.name, &attribute.values);
        }
    }
    let mut events = module("Values of `event.name` of log records.");
    for event in &registry.events {
        constant(&mut events, &event.id, &event.name, &event.brief);
    }
    let mut metrics = module("Names of metrics.");
    for metric in &registry.metrics {
        let (instrument, unit) = (metric.instrument, &metric.unit);
        let brief = format!("{} ({instrument}, `{unit}`)", metric.brief);
        constant(&mut metrics, &metric.id, &metric.name, &brief);
    }
    let mut spans = module("Names of business spans: INTERNAL, made by `#[tracing::instrument]`.");
    for span in registry.business_spans() {
        constant(&mut spans, &span.id, &span.name, &span.brief);
    }
    [
        ("attributes.rs", attributes),
        ("events.rs", events),
        ("metrics.rs", metrics),
        ("spans.rs", spans),
    ]
}

fn module(title: &str) -> String {
    format!(
        "//! {title}\n//!\n//! Generated from `services/contract/registry`; do not edit. `{COMMAND}`\n\n"
    )
}

fn constant(module: &mut String, id: &str, name: &str, brief: &str) {
    let declaration = format!("pub const {}: &str =", identifier(id));
    let statement = statement(&declaration, &format!("{name:?}"));
    *module += &format!("/// {brief}\n{statement}");
}

fn values(module: &mut String, name: &str, values: &[String]) {
    let identifier = identifier(name);
    let declaration = format!("pub const {identifier}S: &[&str] =");
    let statement = statement(&declaration, &format!("&{values:?}"));
    *module += &format!("/// Values of [`{identifier}`].\n{statement}");
}

/// As rustfmt writes it.
fn statement(declaration: &str, value: &str) -> String {
    match declaration.len() + value.len() + 2 > WIDTH {
        true => format!("{declaration}\n    {value};\n"),
        false => format!("{declaration} {value};\n"),
    }
}

/// `shop.order.outcome` becomes `ORDER_OUTCOME`.
fn identifier(id: &str) -> String {
    let id = id.strip_prefix("shop.").unwrap_or(id);
    id.replace('.', "_").to_ascii_uppercase()
}

/// The text of `TELEMETRY.md`. `variables` are the rows of its table of variables: name, default, read by, meaning.
pub fn document(registry: &Registry, variables: &[[&str; 4]]) -> String {
    let tables = [
        ("resource", resource(registry)),
        ("edge spans", edge_spans(registry)),
        ("routes", routes(registry)),
        ("business spans", business_spans(registry)),
        ("metrics", metrics(registry)),
        ("values", allowed_values(registry)),
        ("events", events(registry)),
        ("attributes", attributes(registry)),
        (
            "variables",
            table(
                ["variable", "default", "read by", "meaning"],
                variables.iter().map(|row| {
                    let [name, default, read_by, meaning] = row.map(str::to_owned);
                    [quoted(&name), default, read_by, meaning]
                }),
            ),
        ),
        ("command", COMMAND.to_owned()),
    ];
    tables
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, table)| {
            text.replace(&format!("{{{{{name}}}}}"), table.trim_end())
        })
}

fn resource(registry: &Registry) -> String {
    let rows = registry.resource.iter();
    table(
        ["attribute", "value"],
        rows.map(|used| [quoted(&used.name), used.note.clone()]),
    )
}

fn edge_spans(registry: &Registry) -> String {
    let edges = registry
        .spans
        .iter()
        .filter(|span| span.kind != SpanKind::Internal);
    table(
        ["span", "kind", "name", "by", "attributes"],
        edges.map(|span| {
            let kind = span.kind.to_string();
            let attributes = keys(&span.attributes);
            [
                span.brief.clone(),
                kind,
                span.name.clone(),
                by(registry, &span.by),
                attributes,
            ]
        }),
    )
}

fn routes(registry: &Registry) -> String {
    let mut text = String::new();
    for (service, routes) in registry.spans.iter().flat_map(|span| &span.routes) {
        _ = writeln!(text, "Routes of {service}: {}.", list(routes));
    }
    text
}

fn business_spans(registry: &Registry) -> String {
    table(
        ["span", "by", "attributes", "covers"],
        registry.business_spans().map(|span| {
            let attributes = keys(&span.attributes);
            [
                quoted(&span.name),
                by(registry, &span.by),
                attributes,
                span.brief.clone(),
            ]
        }),
    )
}

fn metrics(registry: &Registry) -> String {
    table(
        [
            "metric",
            "instrument",
            "unit",
            "attributes",
            "by",
            "measures",
        ],
        registry.metrics.iter().map(|metric| {
            [
                quoted(&metric.name),
                metric.instrument.to_string(),
                quoted(&metric.unit),
                keys(&metric.attributes),
                by(registry, &metric.by),
                metric.brief.clone(),
            ]
        }),
    )
}

/// A row for each attribute of a metric and each meaning that its values have.
fn allowed_values(registry: &Registry) -> String {
    let mut rows: Vec<(String, Vec<&str>, String)> = Vec::new();
    for metric in &registry.metrics {
        for used in &metric.attributes {
            let values = match (&*used.note, &*used.values) {
                ("", []) => continue,
                ("", values) => list(values),
                (note, _) => note.to_owned(),
            };
            let same = rows
                .iter_mut()
                .find(|row| row.0 == used.name && row.2 == values);
            match same {
                Some((_, metrics, _)) => metrics.push(&metric.name),
                None => rows.push((used.name.clone(), vec![&metric.name], values)),
            }
        }
    }
    let rows = rows.iter();
    table(
        ["attribute", "of", "values"],
        rows.map(|(name, metrics, values)| [quoted(name), list(metrics), values.clone()]),
    )
}

/// Without the attributes that all log records have: the template lists them.
fn events(registry: &Registry) -> String {
    let is_common = |used: &AttributeRef| {
        let mut events = registry.events.iter();
        events.all(|event| event.attributes.iter().any(|other| other.name == used.name))
    };
    table(
        ["event", "severity", "by", "attributes", "logged when"],
        registry.events.iter().map(|event| {
            let severity = match &*event.severity {
                [] => "its own".to_owned(),
                named => named.join(", "),
            };
            let mut attributes = event.attributes.clone();
            attributes.retain(|used| !is_common(used));
            [
                quoted(&event.name),
                severity,
                by(registry, &event.by),
                keys(&attributes),
                event.brief.clone(),
            ]
        }),
    )
}

fn attributes(registry: &Registry) -> String {
    let attributes = registry.attributes.iter();
    table(
        ["key", "meaning"],
        attributes.map(|attribute| [quoted(&attribute.name), attribute.brief.clone()]),
    )
}

fn table<const N: usize>(titles: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(N));
    for row in rows {
        let line = format!("| {} |", row.join(" | "));
        _ = writeln!(text, "{}", line.replace("|  |", "| |"));
    }
    text
}

fn by(registry: &Registry, services: &[String]) -> String {
    match services == registry.services {
        true => "all".to_owned(),
        false => services.join(", "),
    }
}

fn keys(attributes: &[AttributeRef]) -> String {
    let names: Vec<&str> = attributes.iter().map(|used| &*used.name).collect();
    list(&names)
}

fn list(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name.as_ref())).collect();
    names.join(", ")
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}
