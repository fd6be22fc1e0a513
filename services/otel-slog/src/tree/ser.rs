//! A serde serializer whose output is an attribute value.

use std::collections::HashMap;
use std::fmt;

use opentelemetry::Key;
use opentelemetry::logs::AnyValue;
use serde::ser::{self, Serialize, Serializer};

use crate::values::int;

/// Serialises into an [`AnyValue`], or into nothing: the API has no null.
pub(super) struct TreeSerializer;

type Tree = Result<Option<AnyValue>, Failed>;

/// Why a value could not be serialised, in its own words.
#[derive(Debug)]
pub(super) struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Methods whose value converts without loss.
macro_rules! scalar {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Tree {
            Ok(Some(AnyValue::from(value)))
        })*
    };
}

/// Methods whose value may be wider than an `i64`.
macro_rules! wide {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Tree {
            Ok(Some(int(value)))
        })*
    };
}

impl Serializer for TreeSerializer {
    type Ok = Option<AnyValue>;
    type Error = Failed;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Map;
    type SerializeStruct = Map;
    type SerializeStructVariant = Map;

    scalar! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_bytes(&[u8]);
    }

    wide! {
        serialize_u64(u64);
        serialize_i128(i128);
        serialize_u128(u128);
    }

    fn serialize_char(self, value: char) -> Tree {
        Ok(Some(AnyValue::from(value.to_string())))
    }

    fn serialize_str(self, value: &str) -> Tree {
        Ok(Some(AnyValue::from(value.to_owned())))
    }

    fn serialize_none(self) -> Tree {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Tree {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Tree {
        Ok(None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Tree {
        Ok(None)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Tree {
        Ok(Some(AnyValue::from(variant)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Tree {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Tree {
        Ok(named(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<List, Failed> {
        Ok(List::new(None, len.unwrap_or_default()))
    }

    fn serialize_tuple(self, len: usize) -> Result<List, Failed> {
        Ok(List::new(None, len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List, Failed> {
        Ok(List::new(None, len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List, Failed> {
        Ok(List::new(Some(variant), len))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, Failed> {
        Ok(Map::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map, Failed> {
        Ok(Map::new(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Map, Failed> {
        Ok(Map::new(Some(variant)))
    }
}

/// The value itself, or below the name of its variant.
fn named(variant: Option<&'static str>, value: Option<AnyValue>) -> Option<AnyValue> {
    match variant {
        Some(variant) => Some(AnyValue::Map(Box::new(
            value
                .map(|value| (Key::from(variant), value))
                .into_iter()
                .collect(),
        ))),
        None => value,
    }
}

/// Serialises a sequence of any kind.
pub(super) struct List {
    variant: Option<&'static str>,
    items: Vec<AnyValue>,
}

impl List {
    fn new(variant: Option<&'static str>, len: usize) -> Self {
        // The length is the value's own claim: reserve within reason.
        Self {
            variant,
            items: Vec::with_capacity(len.min(64)),
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.items.extend(value.serialize(TreeSerializer)?);
        Ok(())
    }

    fn finish(self) -> Tree {
        Ok(named(
            self.variant,
            Some(AnyValue::ListAny(Box::new(self.items))),
        ))
    }
}

impl ser::SerializeSeq for List {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.add(value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}

impl ser::SerializeTuple for List {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.add(value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for List {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.add(value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for List {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.add(value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}

/// Serialises a map or a struct.
pub(super) struct Map {
    variant: Option<&'static str>,
    entries: HashMap<Key, AnyValue>,
    /// The key whose value comes next.
    key: Key,
}

impl Map {
    fn new(variant: Option<&'static str>) -> Self {
        Self {
            variant,
            entries: HashMap::new(),
            key: Key::from(""),
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, key: Key, value: &T) -> Result<(), Failed> {
        if let Some(value) = value.serialize(TreeSerializer)? {
            self.entries.insert(key, value);
        }
        Ok(())
    }

    fn finish(self) -> Tree {
        Ok(named(
            self.variant,
            Some(AnyValue::Map(Box::new(self.entries))),
        ))
    }
}

/// A map's key as text. A key that is no scalar is written as its `Debug`.
fn key_text(value: Option<AnyValue>) -> String {
    match value {
        Some(AnyValue::String(text)) => text.as_str().to_owned(),
        Some(AnyValue::Int(int)) => int.to_string(),
        Some(AnyValue::Double(double)) => double.to_string(),
        Some(AnyValue::Boolean(boolean)) => boolean.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

impl ser::SerializeMap for Map {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failed> {
        self.key = Key::from(key_text(key.serialize(TreeSerializer)?));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let key = std::mem::replace(&mut self.key, Key::from(""));
        self.add(key, value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}

impl ser::SerializeStruct for Map {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.add(Key::from(key), value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Map {
    type Ok = Option<AnyValue>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        self.add(Key::from(key), value)
    }

    fn end(self) -> Tree {
        self.finish()
    }
}
