//! The value table of the crate's documentation: slog value to attribute value.

use std::error::Error;
use std::fmt::{self, Write};

use opentelemetry::logs::AnyValue;
use slog::{BytesKind, Key, Serializer};

use crate::fields::key;
use crate::{Fields, errors, tree};

/// Collects what a record serialises.
///
/// No method returns an error: slog would skip the keys after it.
pub(crate) struct Collector(pub(crate) Fields);

/// Methods whose value converts without loss.
macro_rules! emit {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(&mut self, key: Key, value: $type) -> slog::Result {
            self.0.add(key, AnyValue::from(value));
            Ok(())
        })*
    };
}

/// Methods whose value may be wider than an `i64`.
macro_rules! emit_wide {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(&mut self, key: Key, value: $type) -> slog::Result {
            self.0.add(key, int(value));
            Ok(())
        })*
    };
}

/// An integer as Int, or in decimal as String where an `i64` cannot hold it.
pub(crate) fn int<T: TryInto<i64> + ToString + Copy>(value: T) -> AnyValue {
    match value.try_into() {
        Ok(int) => AnyValue::Int(int),
        Err(_) => AnyValue::from(value.to_string()),
    }
}

/// A formatted text. What a failing `Display` wrote before it failed is kept: `to_string` would panic in the caller.
pub(crate) fn text(arguments: &fmt::Arguments<'_>) -> AnyValue {
    if let Some(literal) = arguments.as_str() {
        return AnyValue::from(literal);
    }
    let mut text = String::new();
    text.write_fmt(*arguments).ok();
    AnyValue::from(text)
}

impl Serializer for Collector {
    emit! {
        emit_bool(bool);
        emit_i8(i8);
        emit_i16(i16);
        emit_i32(i32);
        emit_i64(i64);
        emit_u8(u8);
        emit_u16(u16);
        emit_u32(u32);
        emit_f32(f32);
        emit_f64(f64);
    }

    emit_wide! {
        emit_isize(isize);
        emit_usize(usize);
        emit_u64(u64);
        emit_u128(u128);
        emit_i128(i128);
    }

    fn emit_str(&mut self, key: Key, value: &str) -> slog::Result {
        self.0.add(key, AnyValue::from(value.to_owned()));
        Ok(())
    }

    fn emit_char(&mut self, key: Key, value: char) -> slog::Result {
        self.0.add(key, AnyValue::from(value.to_string()));
        Ok(())
    }

    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        self.0.add(key, text(value));
        Ok(())
    }

    fn emit_bytes(&mut self, key: Key, bytes: &[u8], _: BytesKind) -> slog::Result {
        self.0.add(key, AnyValue::from(bytes));
        Ok(())
    }

    fn emit_unit(&mut self, _: Key) -> slog::Result {
        Ok(())
    }

    fn emit_none(&mut self, _: Key) -> slog::Result {
        Ok(())
    }

    fn emit_serde(&mut self, key: Key, value: &dyn slog::SerdeValue) -> slog::Result {
        if let Some(value) = tree::value(value.as_serde()) {
            self.0.add(key, value);
        }
        Ok(())
    }

    fn emit_error(&mut self, _: Key, error: &(dyn Error + 'static)) -> slog::Result {
        // The type goes first and only with its message: an older error's type must not join a newer one's message.
        if self.0.iter().any(|(name, _)| name == errors::MESSAGE) {
            return Ok(());
        }
        if let Some(name) = errors::type_name(error) {
            self.0.add(key(errors::TYPE), AnyValue::from(name));
        }
        self.0
            .add(key(errors::MESSAGE), AnyValue::from(errors::message(error)));
        Ok(())
    }
}
