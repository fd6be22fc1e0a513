//! Log records as they arrived.

use opentelemetry_proto::tonic::logs::v1 as wire;
use serde::Serialize;

use super::value::{self, Attributes, Scope, Value};

/// One exported log record. Ids are lower-case hex and `None` outside a span; times are nanoseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Log {
    /// 0 when the sender gave none.
    pub time: u64,
    /// When the SDK received it.
    pub observed: u64,
    /// The severity's text, such as `INFO`.
    pub severity: String,
    /// The severity's number, such as 9 for `INFO`.
    pub severity_number: i32,
    /// The event name of the record itself, empty when it has none.
    pub event_name: String,
    pub body: Value,
    pub attributes: Attributes,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    /// Trace flags, 1 when sampled.
    pub flags: u32,
    pub resource: Attributes,
    pub scope: Scope,
}

impl Log {
    /// `service.name` of its resource, empty when missing.
    pub fn service(&self) -> &str {
        self.resource.text("service.name").unwrap_or_default()
    }

    /// The event's name: the record's own field, else the attribute `event.name`.
    pub fn event(&self) -> Option<&str> {
        match self.event_name.as_str() {
            "" => self.attributes.text("event.name"),
            name => Some(name),
        }
    }
}

pub(crate) fn logs(batches: Vec<wire::ResourceLogs>) -> Vec<Log> {
    let mut logs = Vec::new();
    for batch in batches {
        let resource = value::resource(batch.resource);
        for group in batch.scope_logs {
            let scope = value::scope(group.scope, group.schema_url);
            let of_group = |record| log(record, resource.clone(), scope.clone());
            logs.extend(group.log_records.into_iter().map(of_group));
        }
    }
    logs
}

pub(super) fn log(record: wire::LogRecord, resource: Attributes, scope: Scope) -> Log {
    Log {
        time: record.time_unix_nano,
        observed: record.observed_time_unix_nano,
        severity: record.severity_text,
        severity_number: record.severity_number,
        event_name: record.event_name,
        body: record.body.into(),
        attributes: record.attributes.into(),
        trace_id: value::optional_hex(&record.trace_id),
        span_id: value::optional_hex(&record.span_id),
        flags: record.flags,
        resource,
        scope,
    }
}
