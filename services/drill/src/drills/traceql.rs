//! The part of TraceQL that the pages use, for the archive, which has no query language: `{ condition && condition }`.
//!
//! Tempo answers the same text itself.

use std::time::Duration;

use anyhow::{Context, bail};
use verify::trace::{Span, Status};

/// One span set filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Vec<Condition>);

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    field: Field,
    is: Is,
    value: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Service,
    Name,
    Kind,
    Status,
    Duration,
    Attribute(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Is {
    Equal,
    Unequal,
    Above,
    Below,
}

// === impl Filter ===

impl Filter {
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let inner = text
            .trim()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .with_context(|| format!("{text}: expected {{ condition && condition }}"))?;
        let conditions = inner.split("&&").map(condition);
        Ok(Self(conditions.collect::<anyhow::Result<_>>()?))
    }

    pub fn matches(&self, span: &Span) -> bool {
        self.0.iter().all(|condition| condition.holds(span))
    }
}

// === impl Condition ===

impl Condition {
    fn holds(&self, span: &Span) -> bool {
        let status = match span.status {
            Status::Error(_) => "error",
            Status::Ok => "ok",
            Status::Unset => "unset",
        };
        let is = match &self.field {
            Field::Duration => {
                let limit = duration(&self.value).unwrap_or_default().as_secs_f64();
                return match self.is {
                    Is::Above => span.seconds() > limit,
                    Is::Below => span.seconds() < limit,
                    Is::Equal | Is::Unequal => false,
                };
            }
            Field::Service => Some(span.service().to_owned()),
            Field::Name => Some(span.name.clone()),
            Field::Kind => Some(span.kind.to_string().to_lowercase()),
            Field::Status => Some(status.to_owned()),
            Field::Attribute(key) => span.attribute(key),
        };
        match (self.is, is) {
            (Is::Equal, Some(is)) => is == self.value,
            (Is::Unequal, Some(is)) => is != self.value,
            _ => false,
        }
    }
}

fn condition(text: &str) -> anyhow::Result<Condition> {
    let text = text.trim();
    let operators = [
        ("!=", Is::Unequal),
        ("=", Is::Equal),
        (">", Is::Above),
        ("<", Is::Below),
    ];
    let found = operators
        .iter()
        .find_map(|(sign, is)| Some((text.split_once(sign)?, *is)));
    let Some(((field, value), is)) = found else {
        bail!("{text}: expected a comparison with =, !=, > or <");
    };
    let field = match field.trim() {
        "resource.service.name" => Field::Service,
        "name" => Field::Name,
        "kind" => Field::Kind,
        "status" => Field::Status,
        "duration" => Field::Duration,
        other => match other.strip_prefix("span.") {
            Some(key) => Field::Attribute(key.to_owned()),
            None => bail!("{other}: not a field that the archive can be asked for"),
        },
    };
    let value = value.trim().trim_matches('"').to_owned();
    if field == Field::Duration {
        duration(&value).with_context(|| format!("{text}: expected a duration such as 500ms"))?;
    }
    Ok(Condition { field, is, value })
}

fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let seconds = number.parse::<f64>().ok()?;
    match unit {
        "ms" => Some(Duration::from_secs_f64(seconds / 1e3)),
        "s" => Some(Duration::from_secs_f64(seconds)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verify::trace::Kind;

    fn span() -> Span {
        let mut span = Span::of_service("order", Kind::Client, "GET /products/{id}");
        (span.start, span.end) = (0, 2_000_000_000);
        span.status = Status::Error(String::new());
        span.attributes.insert("error.type".into(), "500".into());
        span
    }

    #[test]
    fn a_span_matches_where_every_condition_holds() {
        for (text, expected) in [
            (
                r#"{ resource.service.name = "order" && status = error }"#,
                true,
            ),
            (
                r#"{ resource.service.name = "order" && status = ok }"#,
                false,
            ),
            (r#"{ duration > 1500ms && kind = client }"#, true),
            (r#"{ duration > 3s }"#, false),
            (r#"{ duration < 3s && name = "GET /products/{id}" }"#, true),
            (r#"{ span.error.type = "500" }"#, true),
            (r#"{ span.error.type != "500" }"#, false),
            (r#"{ span.absent != "500" }"#, false),
        ] {
            assert_eq!(
                Filter::parse(text).unwrap().matches(&span()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_it_cannot_answer_is_refused() {
        for text in [
            "status = error",
            "{ rootName = \"x\" }",
            "{ duration > long }",
            "{ status }",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
