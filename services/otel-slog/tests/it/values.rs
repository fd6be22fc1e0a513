use std::fmt;

use opentelemetry::logs::AnyValue;
use slog::{Key, Record, Serializer, Value, info};

use crate::capture::{attribute, one, text, value};

#[test]
fn a_bool_is_a_boolean() {
    assert_eq!(
        value(|log| info!(log, "m"; "value" => true)),
        Some(AnyValue::Boolean(true))
    );
}

#[test]
fn integers_that_fit_are_ints() {
    let check = |found, expected| assert_eq!(found, Some(AnyValue::Int(expected)));
    check(value(|log| info!(log, "m"; "value" => i8::MIN)), -128);
    check(value(|log| info!(log, "m"; "value" => i16::MIN)), -32_768);
    check(
        value(|log| info!(log, "m"; "value" => i32::MIN)),
        -2_147_483_648,
    );
    check(value(|log| info!(log, "m"; "value" => i64::MIN)), i64::MIN);
    check(
        value(|log| info!(log, "m"; "value" => isize::MIN)),
        i64::MIN,
    );
    check(value(|log| info!(log, "m"; "value" => u8::MAX)), 255);
    check(value(|log| info!(log, "m"; "value" => u16::MAX)), 65_535);
    check(
        value(|log| info!(log, "m"; "value" => u32::MAX)),
        4_294_967_295,
    );
    check(
        value(|log| info!(log, "m"; "value" => i64::MAX as u64)),
        i64::MAX,
    );
    check(value(|log| info!(log, "m"; "value" => 7_usize)), 7);
    check(value(|log| info!(log, "m"; "value" => 7_u128)), 7);
    check(value(|log| info!(log, "m"; "value" => -7_i128)), -7);
}

#[test]
fn integers_that_do_not_fit_are_decimal_strings() {
    let check = |found, expected| assert_eq!(found, text(expected));
    check(
        value(|log| info!(log, "m"; "value" => u64::MAX)),
        "18446744073709551615",
    );
    check(
        value(|log| info!(log, "m"; "value" => usize::MAX)),
        "18446744073709551615",
    );
    check(
        value(|log| info!(log, "m"; "value" => u128::MAX)),
        "340282366920938463463374607431768211455",
    );
    check(
        value(|log| info!(log, "m"; "value" => i128::MIN)),
        "-170141183460469231731687303715884105728",
    );
}

#[test]
fn floats_are_doubles() {
    let check = |found, expected| assert_eq!(found, Some(AnyValue::Double(expected)));
    check(value(|log| info!(log, "m"; "value" => 0.1_f64)), 0.1);
    check(
        value(|log| info!(log, "m"; "value" => 0.1_f32)),
        f64::from(0.1_f32),
    );
}

#[test]
fn texts_are_strings() {
    let check = |found, expected| assert_eq!(found, text(expected));
    check(value(|log| info!(log, "m"; "value" => "red")), "red");
    check(
        value(|log| info!(log, "m"; "value" => "red".to_owned())),
        "red",
    );
    check(value(|log| info!(log, "m"; "value" => 'é')), "é");
    check(
        value(|log| info!(log, "m"; "value" => format_args!("{}-{}", 1, 2))),
        "1-2",
    );
    check(value(|log| info!(log, "m"; "value" => %1.5)), "1.5");
    check(value(|log| info!(log, "m"; "value" => ?Some(1))), "Some(1)");
}

#[test]
fn bytes_are_bytes() {
    let found = value(|log| info!(log, "m"; "value" => vec![0_u8, 255]));
    assert_eq!(found, Some(AnyValue::Bytes(Box::new(vec![0, 255]))));
}

#[test]
fn nothing_is_no_attribute() {
    assert_eq!(value(|log| info!(log, "m"; "value" => ())), None);
    assert_eq!(value(|log| info!(log, "m"; "value" => None::<i32>)), None);
    assert_eq!(
        value(|log| info!(log, "m"; "value" => Some(1))),
        Some(AnyValue::Int(1))
    );
}

/// A text that breaks off.
struct BreaksOff;

impl fmt::Display for BreaksOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half")?;
        Err(fmt::Error)
    }
}

#[test]
fn a_text_that_fails_is_kept_as_far_as_it_came() {
    let emitted = one(|log| info!(log, "m {}", BreaksOff; "value" => %BreaksOff));
    assert_eq!(emitted.record.body(), Some(&AnyValue::from("m half")));
    assert_eq!(attribute(&emitted, "value"), text("half"));
}

/// A value that always fails.
struct Broken;

impl Value for Broken {
    fn serialize(&self, _: &Record<'_>, _: Key, _: &mut dyn Serializer) -> slog::Result {
        Err(slog::Error::Other)
    }
}

#[test]
fn a_value_that_fails_does_not_cost_the_record() {
    let emitted =
        one(|log| info!(log.new(slog::o!("of" => "logger")), "m"; "value" => Broken, "later" => 1));
    assert_eq!(emitted.record.body(), Some(&AnyValue::from("m")));
    assert_eq!(attribute(&emitted, "value"), None);
    assert_eq!(attribute(&emitted, "later"), Some(AnyValue::Int(1)));
    assert_eq!(attribute(&emitted, "of"), text("logger"));
}
