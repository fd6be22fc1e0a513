use std::collections::{BTreeMap, HashMap};

use opentelemetry::Key;
use opentelemetry::logs::AnyValue;
use serde::{Serialize, Serializer};
use slog::{Serde, info};

use crate::capture::{text, value};

fn nested<T: Serialize + Clone + Send + 'static>(input: T) -> Option<AnyValue> {
    value(|log| info!(log, "m"; "value" => Serde(input)))
}

fn check<T: Serialize + Clone + Send + 'static>(input: T, expected: AnyValue) {
    assert_eq!(nested(input), Some(expected));
}

fn list(items: impl IntoIterator<Item = AnyValue>) -> AnyValue {
    AnyValue::ListAny(Box::new(items.into_iter().collect()))
}

fn map<const N: usize>(entries: [(&'static str, AnyValue); N]) -> AnyValue {
    let entries = entries.map(|(key, value)| (Key::from(key), value));
    AnyValue::Map(Box::new(HashMap::from(entries)))
}

#[test]
fn scalars_inside_a_tree_map_as_outside() {
    check(true, AnyValue::Boolean(true));
    check(i8::MIN, AnyValue::Int(-128));
    check(i16::MIN, AnyValue::Int(-32_768));
    check(i32::MIN, AnyValue::Int(-2_147_483_648));
    check(i64::MIN, AnyValue::Int(i64::MIN));
    check(u8::MAX, AnyValue::Int(255));
    check(u16::MAX, AnyValue::Int(65_535));
    check(u32::MAX, AnyValue::Int(4_294_967_295));
    check(7_u64, AnyValue::Int(7));
    check(u64::MAX, AnyValue::from("18446744073709551615"));
    check(-7_i128, AnyValue::Int(-7));
    check(u128::MAX, AnyValue::from(u128::MAX.to_string()));
    check(0.5_f32, AnyValue::Double(0.5));
    check(0.25, AnyValue::Double(0.25));
    check('é', AnyValue::from("é"));
    check("red", AnyValue::from("red"));
}

/// Serialises as bytes, which arrays do not.
#[derive(Clone)]
struct Raw;

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&[1, 2])
    }
}

#[test]
fn bytes_inside_a_tree_are_bytes() {
    check(Raw, AnyValue::Bytes(Box::new(vec![1, 2])));
}

#[derive(Clone, Serialize)]
struct Pair(i32, bool);

#[derive(Clone, Serialize)]
struct Wrapper(i32);

#[derive(Clone, Serialize)]
struct Nothing;

#[derive(Clone, Serialize)]
struct Line {
    product: &'static str,
    quantity: u32,
    note: Option<&'static str>,
}

#[derive(Clone, Serialize)]
enum Outcome {
    Placed,
    Priced(i32),
    Moved(i32, i32),
    Rejected { missing: u32 },
}

#[test]
fn sequences_are_lists() {
    let expected = || list([AnyValue::Int(1), AnyValue::Int(2)]);
    check(vec![1, 2], expected());
    check((1, 2), expected());
    check(
        Pair(1, true),
        list([AnyValue::Int(1), AnyValue::Boolean(true)]),
    );
    check(Wrapper(1), AnyValue::Int(1));
}

#[test]
fn maps_and_structs_are_maps() {
    let line = Line {
        product: "tea",
        quantity: 2,
        note: Some("green"),
    };
    let expected = [
        ("product", AnyValue::from("tea")),
        ("quantity", AnyValue::Int(2)),
        ("note", AnyValue::from("green")),
    ];
    check(line, map(expected));
    check(
        BTreeMap::from([(1, "a")]),
        map([("1", AnyValue::from("a"))]),
    );
    check(
        BTreeMap::from([(true, 1)]),
        map([("true", AnyValue::Int(1))]),
    );
}

#[test]
fn variants_carry_their_names() {
    check(Outcome::Placed, AnyValue::from("Placed"));
    check(Outcome::Priced(3), map([("Priced", AnyValue::Int(3))]));
    let moved = list([AnyValue::Int(1), AnyValue::Int(2)]);
    check(Outcome::Moved(1, 2), map([("Moved", moved)]));
    let rejected = map([("missing", AnyValue::Int(4))]);
    check(
        Outcome::Rejected { missing: 4 },
        map([("Rejected", rejected)]),
    );
}

#[test]
fn nothing_is_left_out() {
    assert_eq!(nested(None::<i32>), None);
    assert_eq!(nested(()), None);
    assert_eq!(nested(Nothing), None);
    check(vec![Some(1), None], list([AnyValue::Int(1)]));
    let line = Line {
        product: "tea",
        quantity: 2,
        note: None,
    };
    let expected = [
        ("product", AnyValue::from("tea")),
        ("quantity", AnyValue::Int(2)),
    ];
    check(line, map(expected));
}

/// A value whose `Serialize` fails.
#[derive(Clone)]
struct Broken;

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no such luck"))
    }
}

#[test]
fn a_serialize_that_fails_says_so() {
    assert_eq!(nested(vec![Broken]), text("unserializable: no such luck"));
}
