//! Attribute values with their OTLP type, and what all three signals share.

use std::fmt;

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value as Wire,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// One of the three kinds of telemetry, each with its own OTLP path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `/v1/traces`.
    Traces,
    /// `/v1/metrics`.
    Metrics,
    /// `/v1/logs`.
    Logs,
}

impl Signal {
    pub(crate) const ALL: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

    /// The path an exporter posts to.
    pub fn path(self) -> &'static str {
        match self {
            Signal::Traces => "/v1/traces",
            Signal::Metrics => "/v1/metrics",
            Signal::Logs => "/v1/logs",
        }
    }
}

/// An attribute value or log body. The type is kept: `Int(404)` and `String("404")` are not equal.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is the OTLP type of the same name"
)]
pub enum Value {
    Empty,
    String(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Attributes),
}

/// Attributes in wire order, duplicates kept, so that a test can see a key that was sent twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub Vec<(String, Value)>);

impl Attributes {
    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The value of `key` if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The value of `key` if it is an integer.
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// All keys in wire order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// The same attributes in the order of their keys: equal for equal sets.
    pub(crate) fn sorted(&self) -> Self {
        let mut pairs = self.0.clone();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(pairs)
    }
}

/// The instrumentation scope an item was recorded under.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Name of the instrumented library.
    pub name: String,
    /// Its version, empty when not given.
    pub version: String,
    /// The semantic conventions it follows, empty when not given.
    pub schema_url: String,
}

// === impl Value ===

impl Value {
    /// The string in it, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::String(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Value::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Double(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Empty => f.write_str("(empty)"),
            Value::String(value) => write!(f, "{value:?}"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value:?}"),
            Value::Bytes(value) => write!(f, "{} bytes", value.len()),
            Value::Array(values) => {
                f.write_str("[")?;
                for (n, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Map(values) => write!(f, "{{{values}}}"),
        }
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={value}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

// === from the wire ===

impl From<Option<AnyValue>> for Value {
    fn from(value: Option<AnyValue>) -> Self {
        match value.and_then(|any| any.value) {
            None => Value::Empty,
            Some(Wire::StringValue(value)) => Value::String(value),
            Some(Wire::BoolValue(value)) => Value::Bool(value),
            Some(Wire::IntValue(value)) => Value::Int(value),
            Some(Wire::DoubleValue(value)) => Value::Double(value),
            Some(Wire::BytesValue(value)) => Value::Bytes(value),
            Some(Wire::ArrayValue(array)) => Value::Array(
                array
                    .values
                    .into_iter()
                    .map(|value| Some(value).into())
                    .collect(),
            ),
            Some(Wire::KvlistValue(list)) => Value::Map(list.values.into()),
            // Only the profiles signal has a string table to look this up in.
            Some(Wire::StringValueStrindex(index)) => Value::Int(index.into()),
        }
    }
}

impl From<Vec<KeyValue>> for Attributes {
    fn from(pairs: Vec<KeyValue>) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|pair| (pair.key, pair.value.into()))
                .collect(),
        )
    }
}

pub(super) fn resource(resource: Option<Resource>) -> Attributes {
    resource.map(|r| r.attributes.into()).unwrap_or_default()
}

pub(super) fn scope(scope: Option<InstrumentationScope>, schema_url: String) -> Scope {
    let (name, version) = scope.map(|s| (s.name, s.version)).unwrap_or_default();
    Scope {
        name,
        version,
        schema_url,
    }
}

/// Lower-case hex, as in `traceparent` and in log files; empty stays empty.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

pub(super) fn optional_hex(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hex(bytes))
}
