//! The serde table of the crate's documentation, both ways: a `Serialize` to an attribute value, and an attribute
//! value back to a slog serializer.

mod ser;

use std::collections::BTreeMap;

use opentelemetry::logs::AnyValue;
use serde::ser::{Serialize, SerializeSeq, Serializer};
use slog::Key;

/// The attribute value of anything that serde can serialise; `None` for nothing (`None`, unit).
pub(crate) fn value<T: Serialize + ?Sized>(value: &T) -> Option<AnyValue> {
    value
        .serialize(ser::TreeSerializer)
        .unwrap_or_else(|error| Some(AnyValue::from(format!("unserializable: {error}"))))
}

/// Emits an attribute value by the slog method of its type.
pub(crate) fn emit(
    value: &AnyValue,
    key: Key,
    serializer: &mut dyn slog::Serializer,
) -> slog::Result {
    match value {
        AnyValue::Int(int) => serializer.emit_i64(key, *int),
        AnyValue::Double(double) => serializer.emit_f64(key, *double),
        AnyValue::String(text) => serializer.emit_str(key, text.as_str()),
        AnyValue::Boolean(boolean) => serializer.emit_bool(key, *boolean),
        nested => serializer
            .emit_serde(Key::clone(&key), &slog::Serde(Tree(nested.clone())))
            // A serializer without nested values refuses, and would then see none of the keys after this one.
            .or_else(|_| serializer.emit_arguments(key, &format_args!("{nested:?}"))),
    }
}

/// An attribute value that serde can serialise.
#[derive(Clone)]
struct Tree(AnyValue);

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Borrowed(&self.0).serialize(serializer)
    }
}

/// A part of a tree.
struct Borrowed<'a>(&'a AnyValue);

impl Serialize for Borrowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            AnyValue::Int(int) => serializer.serialize_i64(*int),
            AnyValue::Double(double) => serializer.serialize_f64(*double),
            AnyValue::String(text) => serializer.serialize_str(text.as_str()),
            AnyValue::Boolean(boolean) => serializer.serialize_bool(*boolean),
            AnyValue::Bytes(bytes) => serializer.serialize_bytes(bytes),
            AnyValue::ListAny(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    list.serialize_element(&Borrowed(item))?;
                }
                list.end()
            }
            // Sorted, so that equal records give equal lines.
            AnyValue::Map(entries) => serializer.collect_map(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), Borrowed(value)))
                    .collect::<BTreeMap<_, _>>(),
            ),
            // The API may grow kinds of values. None of ours becomes one.
            _ => serializer.serialize_none(),
        }
    }
}
