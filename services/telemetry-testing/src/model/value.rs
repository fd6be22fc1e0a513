//! Attribute values with their OTLP type, and what all three signals share.

use std::fmt;

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value as Wire,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::{Serialize, Serializer};

/// One of the three types of telemetry, each with its own OTLP path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// An attribute value or log body. The type is kept: `Int(404)` and `String("404")` are not equal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
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

/// Attributes in the order in which they were sent. Duplicates are kept, so that a test can find a key that was sent twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub Vec<(String, Value)>);

/// The instrumentation scope of an item. Fields that were not sent are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scope {
    pub name: String,
    pub version: String,
    pub schema_url: String,
}

// === impl Signal ===

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

// === impl Attributes ===

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

    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Replaces what `key` has already.
    pub fn insert(&mut self, key: String, value: Value) {
        self.0.retain(|(other, _)| *other != key);
        self.0.push((key, value));
    }

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

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
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
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Value::Map(values) => write!(f, "{{{values}}}"),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),+) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$variant(value.into())
            }
        }
    )+};
}

value_from!(&str => String, String => String, bool => Bool, i64 => Int, i32 => Int, u16 => Int, f64 => Double);

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
            Some(Wire::ArrayValue(array)) => {
                Value::Array(array.values.into_iter().map(|v| Some(v).into()).collect())
            }
            Some(Wire::KvlistValue(list)) => Value::Map(list.values.into()),
            // Only the profiles signal has a string table to look this up in.
            Some(Wire::StringValueStrindex(index)) => Value::Int(index.into()),
        }
    }
}

impl From<Vec<KeyValue>> for Attributes {
    fn from(pairs: Vec<KeyValue>) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|pair| (pair.key, pair.value.into())).collect())
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
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn optional_hex(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hex(bytes))
}
