//! Log records as they arrived.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::value::{self, Attributes, Scope, Value};

/// One exported log record.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Nanoseconds since the epoch; 0 when the sender gave none.
    pub time: u64,
    /// When the SDK saw it, nanoseconds since the epoch.
    pub observed: u64,
    /// The severity's text, such as `INFO`.
    pub severity: String,
    /// The severity's number, such as 9 for `INFO`.
    pub severity_number: i32,
    /// The event name of the record itself, empty when it has none.
    pub event_name: String,
    /// The message.
    pub body: Value,
    /// Its attributes.
    pub attributes: Attributes,
    /// Lower-case hex; `None` outside a span.
    pub trace_id: Option<String>,
    /// Lower-case hex; `None` outside a span.
    pub span_id: Option<String>,
    /// Trace flags, 1 when sampled.
    pub flags: u32,
    /// Attributes of the resource that sent it.
    pub resource: Attributes,
    /// The scope that recorded it.
    pub scope: Scope,
}

impl Log {
    /// `service.name` of its resource, empty when missing.
    pub fn service(&self) -> &str {
        self.resource.text("service.name").unwrap_or_default()
    }

    /// The event's name: the record's own field, else the attribute `event.name`.
    pub fn event(&self) -> Option<&str> {
        if self.event_name.is_empty() {
            self.attributes.text("event.name")
        } else {
            Some(&self.event_name)
        }
    }
}

pub(crate) fn logs(request: ExportLogsServiceRequest) -> Vec<Log> {
    let mut logs = Vec::new();
    for batch in request.resource_logs {
        let resource = value::resource(batch.resource);
        for group in batch.scope_logs {
            let scope = value::scope(group.scope, group.schema_url);
            logs.extend(
                group
                    .log_records
                    .into_iter()
                    .map(|record| log(record, resource.clone(), scope.clone())),
            );
        }
    }
    logs
}

fn log(record: LogRecord, resource: Attributes, scope: Scope) -> Log {
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
