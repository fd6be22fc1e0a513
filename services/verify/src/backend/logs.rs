//! Where log records are: Loki, or the Collector's archive on a machine without one.
//!
//! For rows and people that look up records by trace or event. The archive has no LogQL.

use std::time::SystemTime;

use telemetry_testing::{Log, Value};

use super::loki::nanoseconds;
use super::{LogArchive, LogLine, Loki};

#[derive(Debug)]
pub enum Logs {
    Loki(Loki),
    Archive(LogArchive),
}

// === impl Logs ===

impl Logs {
    /// The records of a trace between two times, oldest first, of the log pipeline `otlp`.
    pub async fn by_trace(
        &self,
        id: &str,
        from: SystemTime,
        until: SystemTime,
    ) -> anyhow::Result<Vec<LogLine>> {
        match self {
            Self::Loki(loki) => {
                let logql = format!(r#"{{lane="otlp"}} | trace_id="{id}""#);
                loki.query(&logql, from, until).await
            }
            Self::Archive(archive) => {
                let of_trace = |log: &Log| log.trace_id.as_deref() == Some(id);
                lines(archive, |log| {
                    of_trace(log) && time(log) >= nanoseconds(from)
                })
            }
        }
    }

    /// The records since a time with that event name, oldest first, of the log pipeline `otlp`.
    pub async fn since(&self, from: SystemTime, event: &str) -> anyhow::Result<Vec<LogLine>> {
        match self {
            Self::Loki(loki) => {
                let logql = format!(r#"{{lane="otlp"}} | event_name="{event}""#);
                loki.query(&logql, from, SystemTime::now()).await
            }
            Self::Archive(archive) => {
                let is_event = |log: &Log| log.event() == Some(event);
                lines(archive, |log| {
                    is_event(log) && time(log) >= nanoseconds(from)
                })
            }
        }
    }

    /// All records of the services since a time, oldest first, of the log pipeline `otlp`.
    pub async fn all_since(&self, from: SystemTime) -> anyhow::Result<Vec<LogLine>> {
        match self {
            Self::Loki(loki) => {
                let logql = r#"{lane="otlp",service_namespace="shop"}"#;
                loki.query(logql, from, SystemTime::now()).await
            }
            Self::Archive(archive) => lines(archive, |log| time(log) >= nanoseconds(from)),
        }
    }

    /// How many lines and records of an archive could not be read so far.
    pub fn skipped(&self) -> usize {
        match self {
            Self::Loki(_) => 0,
            Self::Archive(archive) => archive.skipped(),
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Loki(loki) => format!("Loki {}", loki.base()),
            Self::Archive(archive) => format!("archive {}", archive.directory().display()),
        }
    }
}

fn lines(archive: &LogArchive, wanted: impl Fn(&Log) -> bool) -> anyhow::Result<Vec<LogLine>> {
    let mut lines: Vec<LogLine> = archive.select(wanted)?.iter().map(line).collect();
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

fn time(log: &Log) -> u64 {
    if log.time == 0 {
        log.observed
    } else {
        log.time
    }
}

/// With the names that Loki gives to labels and structured metadata of an OTLP record.
fn line(log: &Log) -> LogLine {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let labels = [("service_name", log.service()), ("lane", "otlp")];
    let flags = log.flags.to_string();
    let fields = [
        ("trace_id", log.trace_id.as_deref().unwrap_or_default()),
        ("span_id", log.span_id.as_deref().unwrap_or_default()),
        ("severity_text", &log.severity),
        ("event_name", log.event().unwrap_or_default()),
        ("flags", if log.flags == 0 { "" } else { &flags }),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let attributes = log.attributes.0.iter();
    let attributes = attributes.map(|(key, value)| (key.replace('.', "_"), text(value)));
    LogLine {
        at: time(log),
        labels: labels.map(owned).into(),
        metadata: attributes.chain(fields.map(owned)).collect(),
        text: text(&log.body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn records_are_found_by_trace_and_by_event() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::Archive(LogArchive::from_now(dir.path()).unwrap());
        let record = |at: u32, event: &str, trace: &str| {
            format!(
                r#"{{"timeUnixNano":"{at}000000000","severityText":"INFO","eventName":"{event}","body":{{"stringValue":"words"}},"attributes":[{{"key":"exception.message","value":{{"stringValue":"why"}}}}],"flags":1,"traceId":"{trace}","spanId":"b7ad6b7169203331"}}"#
            )
        };
        let records = [
            record(7, "order.placed", TRACE),
            record(5, "order.failed", TRACE),
            record(9, "order.placed", ""),
        ];
        let document = format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"order"}}}}]}},"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#,
            records.join(",")
        );
        std::fs::write(dir.path().join("logs.jsonl"), document + "\n").unwrap();

        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let of_trace = logs.by_trace(TRACE, at(0), at(10)).await.unwrap();
        let events: Vec<_> = of_trace
            .iter()
            .map(|line| line.meta("event_name"))
            .collect();
        assert_eq!(events, ["order.failed", "order.placed"]);
        let line = &of_trace[0];
        assert_eq!(
            (line.label("service_name"), line.label("lane")),
            ("order", "otlp")
        );
        assert_eq!(line.meta("exception_message"), "why");
        assert_eq!((line.meta("flags"), line.text.as_str()), ("1", "words"));
        assert_eq!(logs.since(at(0), "order.placed").await.unwrap().len(), 2);
        assert_eq!(logs.since(at(8), "order.placed").await.unwrap().len(), 1);
        assert_eq!(logs.since(at(0), "order.lost").await.unwrap(), []);
    }
}
