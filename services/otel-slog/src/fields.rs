//! The attributes of a record: each key once, newest first wins.

use std::any::Any;

use opentelemetry::logs::AnyValue;
use slog::{KV, OwnedKVList, Record, Serializer};

use crate::drain::target;
use crate::stamp::RESERVED;
use crate::values::Collector;
use crate::{Stamped, tree};

/// The attributes of one record as [`OtelDrain`](crate::OtelDrain) emits them: each key once, mapped by the
/// tables of the [crate].
///
/// A second lane that writes `Fields` holds the same keys with the same values. As [`KV`] it emits them in the order
/// of the call: place first, then logger keys, then record keys.
///
/// ```
/// # use otel_slog::Fields;
/// # use slog::{Drain, KV, Level, Never, OwnedKVList, Record};
/// struct Keys;
///
/// impl Drain for Keys {
///     type Ok = ();
///     type Err = Never;
///
///     fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
///         for (key, value) in Fields::collect(record, values).iter() {
///             println!("{key} = {value:?}");
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// Newest first, as slog gives them.
    list: Vec<(slog::Key, AnyValue)>,
    /// Whether the reserved names belong to a stamp.
    stamped: bool,
}

impl Fields {
    /// Collects the fields of a record and of its logger chain.
    pub fn collect(record: &Record<'_>, values: &OwnedKVList) -> Self {
        let mut collector = Collector(Self {
            list: Vec::with_capacity(8),
            stamped: Stamped::current().is_some(),
        });
        // A value that fails to serialise ends its own list of keys. What came before it is still worth emitting,
        // and so is the record.
        record.kv().serialize(record, &mut collector).ok();
        values.serialize(record, &mut collector).ok();
        let mut fields = collector.0;
        fields.place(record);
        fields
    }

    /// Each key and its value, in the order of the call.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AnyValue)> {
        self.list
            .iter()
            .rev()
            .map(|(key, value)| (name(key), value))
    }

    /// Keeps the fields whose key `is_kept`.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.list.retain(|(key, _)| is_kept(name(key)));
    }

    /// Gives a field another key, for a format that has its own use for the first one. A field that has the other key
    /// already makes room.
    pub fn rename(&mut self, from: &str, to: &'static str) {
        if self.contains(from) {
            self.retain(|name| name != to);
        }
        if let Some((old, _)) = self.list.iter_mut().find(|(key, _)| name(key) == from) {
            *old = key(to);
        }
    }

    /// The fields as attributes, in the order of the call.
    pub(crate) fn into_attributes(self) -> impl Iterator<Item = (opentelemetry::Key, AnyValue)> {
        self.list
            .into_iter()
            .rev()
            .map(|(key, value)| (attribute_key(&key), value))
    }

    /// Adds a field unless a newer one has its key.
    pub(crate) fn add(&mut self, key: slog::Key, value: AnyValue) {
        let reserved = self.stamped && RESERVED.contains(&name(&key));
        if !reserved && !self.contains(name(&key)) {
            self.list.push((key, value));
        }
    }

    fn contains(&self, wanted: &str) -> bool {
        self.list.iter().any(|(key, _)| name(key) == wanted)
    }

    /// Adds where the record was logged, as its oldest fields.
    fn place(&mut self, record: &Record<'_>) {
        if record.line() > 0 {
            self.add(key("code.line.number"), AnyValue::from(record.line()));
        }
        if !record.file().is_empty() {
            self.add(key("code.file.path"), AnyValue::from(record.file()));
        }
        let value = match record.tag() {
            "" => AnyValue::from(record.module()),
            tag => AnyValue::from(tag.to_owned()),
        };
        if !target(record).is_empty() {
            self.add(key("target"), value);
        }
    }
}

/// A slog key. It is a plain string, or a type of its own where slog's feature `dynamic-keys` is on: hence this
/// function and the next two, which compile with both.
pub(crate) fn key(name: &'static str) -> slog::Key {
    slog::Key::from(name)
}

fn name<K: AsRef<str>>(key: &K) -> &str {
    key.as_ref()
}

/// The OpenTelemetry key of a slog key, without a copy where the name is static.
fn attribute_key(key: &slog::Key) -> opentelemetry::Key {
    match (key as &dyn Any).downcast_ref::<&'static str>() {
        Some(name) => opentelemetry::Key::from(*name),
        None => opentelemetry::Key::from(key.to_string()),
    }
}

impl KV for Fields {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        for (key, value) in self.list.iter().rev() {
            tree::emit(value, slog::Key::clone(key), serializer)?;
        }
        Ok(())
    }
}
