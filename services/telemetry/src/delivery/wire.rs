//! Reads two facts from OTLP messages without decoding them: how many items a request has, how many a response rejects.
//!
//! Decoding would build every span a second time to count it; a walk over field headers allocates nothing.

use super::Signal;

/// Fields to descend through, outermost first; the last ones are the items.
type Path = &'static [&'static [u32]];

/// `resource_spans`, `scope_spans`, `spans`; the same numbers for logs.
const ITEMS: Path = &[&[1], &[2], &[2]];
/// `resource_metrics`, `scope_metrics`, `metrics`, one of the five kinds, `data_points`.
const DATA_POINTS: Path = &[&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]];

/// Items of an export request.
pub(super) fn items(signal: Signal, request: &[u8]) -> u64 {
    match signal {
        Signal::Spans | Signal::Logs => count(request, ITEMS),
        Signal::Metrics => count(request, DATA_POINTS),
    }
}

/// Items that a response rejects: `partial_success.rejected_*`, which has the same numbers for all signals.
pub(super) fn rejected(response: &[u8]) -> u64 {
    let partial = Fields(response).find_map(|field| match field {
        (1, Value::Bytes(partial)) => Some(partial),
        _ => None,
    });
    let rejected = Fields(partial.unwrap_or_default()).find_map(|field| match field {
        (1, Value::Varint(rejected)) => Some(rejected),
        _ => None,
    });
    // The field is an int64: a negative one says nothing.
    rejected
        .and_then(|count| i64::try_from(count).ok())
        .map_or(0, i64::unsigned_abs)
}

fn count(message: &[u8], path: Path) -> u64 {
    let Some((numbers, rest)) = path.split_first() else {
        return 1;
    };
    Fields(message)
        .map(|(number, value)| match value {
            Value::Bytes(inner) if numbers.contains(&number) => count(inner, rest),
            _ => 0,
        })
        .sum()
}

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of one message; ends early where the bytes are no message.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((u32::try_from(key >> 3).ok()?, value))
    }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
    };
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
        metric::Data,
    };
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn attribute(text: &str) -> KeyValue {
        KeyValue {
            key: "key".to_owned(),
            value: Some(AnyValue {
                value: Some(any_value::Value::StringValue(text.to_owned())),
            }),
            ..KeyValue::default()
        }
    }

    #[test]
    fn spans_are_counted_across_scopes_and_resources() {
        let span = Span {
            trace_id: vec![1; 16],
            start_time_unix_nano: u64::MAX,
            attributes: vec![attribute(&"long".repeat(100)); 3],
            ..Span::default()
        };
        let scope = |n| ScopeSpans {
            spans: vec![span.clone(); n],
            ..ScopeSpans::default()
        };
        let resource = |scopes| ResourceSpans {
            scope_spans: scopes,
            ..ResourceSpans::default()
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![
                resource(vec![scope(2), scope(0), scope(3)]),
                resource(vec![scope(1)]),
            ],
        };
        assert_eq!(items(Signal::Spans, &request.encode_to_vec()), 6);
        assert_eq!(items(Signal::Spans, &[]), 0);
    }

    #[test]
    fn log_records_are_counted() {
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![LogRecord::default(); 300],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        assert_eq!(items(Signal::Logs, &request.encode_to_vec()), 300);
    }

    #[test]
    fn data_points_of_every_kind_are_counted() {
        let kinds = [
            Data::Gauge(Gauge {
                data_points: vec![NumberDataPoint::default()],
            }),
            Data::Sum(Sum {
                data_points: vec![NumberDataPoint::default(); 2],
                ..Sum::default()
            }),
            Data::Histogram(Histogram {
                data_points: vec![
                    HistogramDataPoint {
                        bucket_counts: vec![7; 15],
                        ..Default::default()
                    };
                    4
                ],
                ..Histogram::default()
            }),
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![ExponentialHistogramDataPoint::default(); 8],
                ..ExponentialHistogram::default()
            }),
            Data::Summary(Summary {
                data_points: vec![SummaryDataPoint::default(); 16],
            }),
        ];
        let metrics = kinds.map(|data| Metric {
            name: "n".to_owned(),
            data: Some(data),
            ..Metric::default()
        });
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics {
                    metrics: metrics.to_vec(),
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        assert_eq!(items(Signal::Metrics, &request.encode_to_vec()), 31);
    }

    #[test]
    fn a_response_tells_what_it_rejects() {
        let response = |rejected| {
            let partial = ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: "too old".to_owned(),
            };
            ExportLogsServiceResponse {
                partial_success: Some(partial),
            }
            .encode_to_vec()
        };
        assert_eq!(rejected(&response(300)), 300);
        assert_eq!(rejected(&response(0)), 0);
        assert_eq!(rejected(&response(-1)), 0);
        assert_eq!(rejected(&[]), 0);
    }

    #[test]
    fn bytes_that_are_no_message_end_the_count() {
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs::default(); 2],
        };
        let mut cut = request.encode_to_vec();
        cut.extend([0x0a, 0xff]);
        for broken in [&cut[..], &[0xff; 20], &[0x0b], b"<html>"] {
            assert_eq!(items(Signal::Logs, broken), 0);
            assert_eq!(rejected(broken), 0);
        }
    }
}
