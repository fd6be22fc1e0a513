//! The telemetry contract, `services/telemetry/TELEMETRY.md`, read as data: what is documented must be what is emitted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;

/// The names in the contract's tables.
#[derive(Clone, Debug, Default)]
pub struct Contract {
    /// Business spans.
    pub spans: BTreeSet<String>,
    /// Of gateway and product: what an edge span over HTTP is named after.
    pub routes: BTreeSet<String>,
    pub metrics: BTreeMap<String, Metric>,
    pub events: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub instrument: Instrument,
    pub unit: String,
    pub attributes: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    Counter,
    UpDownCounter,
    Gauge,
    Histogram,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Spans,
    Metrics,
    Events,
    Other,
}

// === impl Contract ===

impl Contract {
    /// The one of a working copy.
    pub fn of(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("services/telemetry/TELEMETRY.md");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).map_err(anyhow::Error::msg)
    }

    /// Tables are told by the heading above them; columns by their titles.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut contract = Self::default();
        let mut section = Section::Other;
        let mut titles: Vec<String> = Vec::new();
        for line in text.lines() {
            if line.starts_with('#') {
                section = section_of(line).unwrap_or(section);
                titles.clear();
            } else if line.starts_with('|') && !line.starts_with("|-") && !line.starts_with("| -") {
                let cells = cells(line);
                if titles.is_empty() {
                    titles = cells.iter().map(|cell| cell.to_ascii_lowercase()).collect();
                } else {
                    contract.row(section, &titles, &cells)?;
                }
            } else if !line.starts_with('|') {
                titles.clear();
                if line.starts_with("Routes of") {
                    contract.routes.extend(quoted(line));
                }
            }
        }
        if contract.spans.is_empty() || contract.metrics.is_empty() || contract.events.is_empty() {
            return Err(format!(
                "TELEMETRY.md has {} spans, {} metrics and {} events: a table is missing",
                contract.spans.len(),
                contract.metrics.len(),
                contract.events.len()
            ));
        }
        Ok(contract)
    }

    fn row(&mut self, section: Section, titles: &[String], cells: &[String]) -> Result<(), String> {
        let cell = |title: &str| {
            titles
                .iter()
                .position(|known| known.starts_with(title))
                .and_then(|at| cells.get(at))
                .map(String::as_str)
        };
        let names = quoted(cells.first().map_or("", String::as_str));
        match section {
            Section::Spans => self.spans.extend(names),
            Section::Events => self.events.extend(names),
            // The section also has a table of values, without instruments.
            Section::Metrics if cell("instrument").is_some() => {
                for name in names {
                    let metric = Metric {
                        instrument: instrument(cell("instrument").unwrap_or_default())
                            .ok_or_else(|| format!("{name} has no known instrument"))?,
                        unit: cell("unit")
                            .unwrap_or_default()
                            .trim_matches('`')
                            .to_owned(),
                        attributes: quoted(cell("attributes").unwrap_or_default())
                            .into_iter()
                            .collect(),
                    };
                    self.metrics.insert(name, metric);
                }
            }
            Section::Metrics | Section::Other => {}
        }
        Ok(())
    }
}

// === impl Metric ===

impl Metric {
    /// The series Prometheus shows for it: dots become underscores, the unit and `_total` are appended.
    pub fn series(&self, name: &str) -> Vec<String> {
        let base = prometheus_name(name);
        let with_unit = match unit_suffix(&self.unit, self.instrument) {
            Some(unit) if !base.ends_with(&format!("_{unit}")) => format!("{base}_{unit}"),
            _ => base,
        };
        match self.instrument {
            Instrument::Counter => vec![format!("{with_unit}_total")],
            Instrument::UpDownCounter | Instrument::Gauge => vec![with_unit],
            Instrument::Histogram => ["bucket", "count", "sum"]
                .map(|part| format!("{with_unit}_{part}"))
                .to_vec(),
        }
    }
}

pub fn prometheus_name(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

/// The translation of the Collector's remote-write exporter; an annotation such as `{order}` adds nothing.
fn unit_suffix(unit: &str, instrument: Instrument) -> Option<&str> {
    match unit {
        "" => None,
        "s" => Some("seconds"),
        "ms" => Some("milliseconds"),
        "By" => Some("bytes"),
        "1" => (instrument == Instrument::Gauge).then_some("ratio"),
        annotation if annotation.starts_with('{') => None,
        other => Some(other),
    }
}

fn section_of(heading: &str) -> Option<Section> {
    let level = heading.bytes().take_while(|byte| *byte == b'#').count();
    let heading = heading.to_ascii_lowercase();
    if heading.contains("span") {
        Some(Section::Spans)
    } else if heading.contains("metric") {
        Some(Section::Metrics)
    } else if heading.contains("event") {
        Some(Section::Events)
    } else {
        // A sub-heading keeps the section it is in.
        (level <= 2).then_some(Section::Other)
    }
}

fn instrument(word: &str) -> Option<Instrument> {
    let word: String = word
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_lowercase();
    let word = word.trim_start_matches("observable");
    match word {
        "counter" => Some(Instrument::Counter),
        "updowncounter" => Some(Instrument::UpDownCounter),
        "gauge" => Some(Instrument::Gauge),
        "histogram" => Some(Instrument::Histogram),
        _ => None,
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim()
        .trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Telemetry\n\nRoutes of product: `/products`.\n\n## Spans\n\n| span | kind |\n|---|---|\n| `GET /products` | SERVER |\n\n\
        ## Metrics\n\n### HTTP\n\n| name | instrument | unit | attributes |\n|---|---|---|---|\n\
        | `http.server.request.duration` | histogram | `s` | `http.route`, `http.request.method` |\n\
        | `shop.orders` | counter | `{order}` | `shop.order.outcome` |\n\n\
        | attribute | values |\n|---|---|\n| `shop.order.outcome` | `placed` |\n\n\
        ## Log events\n\n| event | severity |\n|---|---|\n| `order.placed` | INFO |\n\n## Resource\n\n| a |\n|---|\n| `x` |\n";

    #[test]
    fn tables_are_read_by_heading_and_column_title() {
        let contract = Contract::parse(TEXT).unwrap();
        assert_eq!(contract.spans, BTreeSet::from(["GET /products".to_owned()]));
        assert_eq!(contract.events, BTreeSet::from(["order.placed".to_owned()]));
        let duration = &contract.metrics["http.server.request.duration"];
        assert_eq!(duration.unit, "s");
        assert!(contract.routes.contains("/products"));
        assert!(duration.attributes.contains("http.route"));
    }

    #[test]
    fn a_contract_without_a_table_is_refused() {
        assert!(Contract::parse("## Spans\n").is_err());
    }

    #[test]
    fn units_become_the_suffixes_prometheus_shows() {
        let check = |name, instrument, unit: &str, expected: &str| {
            let metric = Metric {
                instrument,
                unit: unit.to_owned(),
                attributes: BTreeSet::new(),
            };
            assert_eq!(metric.series(name)[0], expected);
        };
        check(
            "shop.orders",
            Instrument::Counter,
            "{order}",
            "shop_orders_total",
        );
        check(
            "shop.order.value",
            Instrument::Histogram,
            "EUR",
            "shop_order_value_EUR_bucket",
        );
        check(
            "process.cpu.time",
            Instrument::Counter,
            "s",
            "process_cpu_time_seconds_total",
        );
        check(
            "process.memory.usage",
            Instrument::UpDownCounter,
            "By",
            "process_memory_usage_bytes",
        );
        check(
            "process.uptime",
            Instrument::Gauge,
            "s",
            "process_uptime_seconds",
        );
        check("queue.fill", Instrument::Gauge, "1", "queue_fill_ratio");
    }

    #[test]
    fn the_shipped_contract_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Contract::of(&root).unwrap();
    }
}
