//! Do both log lanes hold the same records with the same ids?

use std::collections::BTreeMap;

use serde_json::Value;

use crate::backend::LogLine;

/// What identifies a record in both lanes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub at: u64,
    pub service: String,
    pub level: String,
    pub event: String,
    pub message: String,
    pub trace_id: String,
    pub span_id: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    pub matched: usize,
    pub only_otlp: Vec<Record>,
    pub only_file: Vec<Record>,
    /// Records that a lane holds more than once.
    pub twice: Vec<Record>,
}

// === impl Record ===

impl Record {
    /// A line of the OTLP lane: the body is the message, the rest is structured metadata.
    pub fn of_otlp(line: &LogLine) -> Self {
        Self {
            at: line.at,
            service: line.label("service_name").to_owned(),
            level: line.meta("severity_text").to_owned(),
            event: line.meta("event_name").to_owned(),
            message: line.text.clone(),
            trace_id: line.meta("trace_id").to_owned(),
            span_id: line.meta("span_id").to_owned(),
        }
    }

    /// A line of the file lane: one JSON object. The ids are those Promtail lifted out of it, as links filter on them.
    pub fn of_file(line: &LogLine) -> Result<Self, String> {
        let object: Value = serde_json::from_str(&line.text)
            .map_err(|error| format!("a file line is no JSON ({error}): {}", line.text))?;
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        for id in ["trace_id", "span_id"] {
            if text(id) != line.meta(id) {
                return Err(format!(
                    "{id} is {:?} in the line and {:?} in its metadata: {}",
                    text(id),
                    line.meta(id),
                    line.text
                ));
            }
        }
        Ok(Self {
            at: line.at,
            service: text("service"),
            level: text("level"),
            event: text("event.name"),
            message: text("message"),
            trace_id: text("trace_id"),
            span_id: text("span_id"),
        })
    }
}

// === impl Parity ===

impl Parity {
    pub fn holds(&self) -> bool {
        self.matched > 0
            && self.only_otlp.is_empty()
            && self.only_file.is_empty()
            && self.twice.is_empty()
    }

    /// Counts, and the first record of each difference.
    pub fn describe(&self) -> String {
        let mut text = format!("{} records in both lanes", self.matched);
        let differences = [
            ("only in OTLP", &self.only_otlp),
            ("only in the file lane", &self.only_file),
            ("more than once in a lane", &self.twice),
        ];
        for (what, records) in differences {
            if let Some(first) = records.first() {
                text.push_str(&format!(", {} {what}, first: {first:?}", records.len()));
            }
        }
        text
    }
}

pub fn compare(otlp: Vec<Record>, file: Vec<Record>) -> Parity {
    let (otlp, file) = (counted(otlp), counted(file));
    let mut parity = Parity::default();
    for (record, times) in &otlp {
        if file.contains_key(record) {
            parity.matched += 1;
        } else {
            parity.only_otlp.push(record.clone());
        }
        if *times > 1 {
            parity.twice.push(record.clone());
        }
    }
    for (record, times) in file {
        if !otlp.contains_key(&record) {
            parity.only_file.push(record.clone());
        }
        if times > 1 {
            parity.twice.push(record);
        }
    }
    parity
}

fn counted(records: Vec<Record>) -> BTreeMap<Record, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(labels: &[(&str, &str)], metadata: &[(&str, &str)], text: &str) -> LogLine {
        let owned = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        LogLine {
            at: 7,
            labels: owned(labels),
            metadata: owned(metadata),
            text: text.to_owned(),
        }
    }

    fn otlp() -> Record {
        Record::of_otlp(&line(
            &[("service_name", "order"), ("lane", "otlp")],
            &[
                ("trace_id", "ab"),
                ("span_id", "cd"),
                ("severity_text", "INFO"),
                ("event_name", "order.placed"),
            ],
            "the order is placed",
        ))
    }

    const FILE: &str = r#"{"message":"the order is placed","event.name":"order.placed","service":"order","level":"INFO","trace_id":"ab","span_id":"cd"}"#;

    fn file() -> Record {
        Record::of_file(&line(&[], &[("trace_id", "ab"), ("span_id", "cd")], FILE)).unwrap()
    }

    #[test]
    fn the_same_record_in_both_lanes_matches() {
        let parity = compare(vec![otlp()], vec![file()]);
        assert!(parity.holds(), "{parity:?}");
    }

    #[test]
    fn a_record_with_another_span_is_a_difference_on_both_sides() {
        let mut other = file();
        other.span_id = "ef".to_owned();
        let parity = compare(vec![otlp()], vec![other]);
        assert_eq!((parity.only_otlp.len(), parity.only_file.len()), (1, 1));
        assert!(!parity.holds());
    }

    #[test]
    fn a_record_twice_in_one_lane_fails_although_the_sets_are_equal() {
        let parity = compare(vec![otlp()], vec![file(), file()]);
        assert_eq!(parity.twice.len(), 1);
        assert!(!parity.holds());
    }

    #[test]
    fn two_empty_lanes_prove_nothing() {
        assert!(!compare(vec![], vec![]).holds());
    }

    #[test]
    fn ids_in_the_line_but_not_in_the_metadata_are_refused() {
        assert!(Record::of_file(&line(&[], &[], FILE)).is_err());
    }
}
