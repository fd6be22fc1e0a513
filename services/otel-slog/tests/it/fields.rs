//! A second lane that writes `Fields` holds what the first one emits.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use otel_slog::{Fields, OtelDrain, Stamp};
use serde::Serialize;
use serde_json::{Value, json};
use slog::{
    BorrowedKV, Drain, Duplicate, KV, Key, Logger, Never, OwnedKVList, Record, RecordStatic,
    Serializer, info, o,
};

use crate::capture::{Buffer, provider};

/// Hands its inner drain the fields in the place of the record's keys.
struct Flat<D>(D);

impl<D: Drain> Drain for Flat<D> {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let fields = Fields::collect(record, values);
        let fixed = RecordStatic {
            location: record.location(),
            tag: record.tag(),
            level: record.level(),
        };
        let record = Record::new(&fixed, record.msg(), BorrowedKV(&fields));
        self.0.log(&record, &o!().into()).ok();
        Ok(())
    }
}

#[derive(Clone, Serialize)]
struct Order {
    id: u64,
    lines: Vec<&'static str>,
}

#[test]
fn two_lanes_hold_the_same_keys_and_values() {
    let (provider, exporter) = provider();
    let buffer = Buffer::default();
    let json = Mutex::new(slog_json::Json::new(buffer.clone()).build());
    let lanes = Duplicate(OtelDrain::new(&provider), Flat(json)).ignore_res();
    let log = Logger::root(Stamp::new(lanes).fuse(), o!("service" => "order"));
    let order = Order {
        id: u64::MAX,
        lines: vec!["tea"],
    };
    info!(log, "m";
        "order" => slog::Serde(order),
        "service" => "overridden",
        "huge" => u64::MAX,
        "nothing" => (),
        "error" => io::Error::other("disk full"),
        "raw" => vec![1_u8, 2],
        "ratio" => 0.5,
        "open" => true);

    let line: Value = serde_json::from_slice(&buffer.bytes()).expect("one object");
    let number = line["code.line.number"].clone();
    let expected = json!({
        "service": "overridden",
        "target": "it::fields",
        "code.file.path": file!(),
        "code.line.number": number,
        "order": {"id": "18446744073709551615", "lines": ["tea"]},
        "huge": "18446744073709551615",
        "exception.type": "std::io::Error",
        "exception.message": "disk full",
        "raw": [1, 2],
        "ratio": 0.5,
        "open": true,
    });
    assert_eq!(line, expected);

    let records = exporter.get_emitted_logs().expect("the exporter is alive");
    let mut emitted: Vec<&str> = records[0]
        .record
        .attributes_iter()
        .map(|(key, _)| key.as_str())
        .collect();
    emitted.sort_unstable();
    let mut written: Vec<&str> = expected
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    written.sort_unstable();
    assert_eq!(emitted, written);
}

/// The fields of what `statement` logs.
fn fields(statement: impl FnOnce(&Logger)) -> Fields {
    #[derive(Default)]
    struct Keep(Mutex<Fields>);

    impl Drain for Keep {
        type Ok = ();
        type Err = Never;

        fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
            *self.0.lock().expect("no panic while logging") = Fields::collect(record, values);
            Ok(())
        }
    }

    let keep = Arc::new(Keep::default());
    statement(&Logger::root(Arc::clone(&keep).fuse(), o!()));
    keep.0.lock().expect("no panic while logging").clone()
}

fn names(fields: &Fields) -> Vec<&str> {
    fields.iter().map(|(key, _)| key).collect()
}

#[test]
fn fields_come_in_the_order_of_the_call() {
    let fields = fields(|log| {
        let log = log.new(o!("parent" => 1)).new(o!("child" => 2));
        info!(log, "m"; "first" => 3, "second" => 4);
    });
    let expected = [
        "target",
        "code.file.path",
        "code.line.number",
        "parent",
        "child",
        "first",
        "second",
    ];
    assert_eq!(names(&fields), expected);
}

#[test]
fn fields_can_be_left_out_and_renamed() {
    let mut fields = fields(
        |log| info!(log, "m"; "message" => "mine", "kept" => 1, "attribute.message" => "in the way"),
    );
    fields.retain(|key| !key.starts_with("code.") && key != "target");
    fields.rename("message", "attribute.message");
    fields.rename("absent", "anything");
    assert_eq!(names(&fields), ["attribute.message", "kept"]);
}

#[test]
fn a_serializer_without_nested_values_still_gets_every_field() {
    /// Takes texts only.
    struct Texts(Vec<(String, String)>);

    impl Serializer for Texts {
        fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
            self.0.push((key.to_string(), value.to_string()));
            Ok(())
        }
    }

    let mut fields = fields(|log| info!(log, "m"; "lines" => slog::Serde(vec![1]), "after" => 2));
    fields.retain(|key| !key.starts_with("code.") && key != "target");
    let mut texts = Texts(Vec::new());
    let fixed = slog::record_static!(slog::Level::Info, "");
    let message = format_args!("m");
    let record = Record::new(&fixed, &message, slog::b!());
    fields.serialize(&record, &mut texts).expect("no error");
    let expected = [("lines", "ListAny([Int(1)])"), ("after", "2")];
    assert_eq!(
        texts.0,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
}
