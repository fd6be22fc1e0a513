//! Variables in queries and links, replaced as Grafana replaces them.

use std::collections::BTreeMap;
use std::time::Duration;

/// What stands for a variable: one value, or the several of a choice such as "All".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    /// One of a variable that may have several: a query takes it as a pattern, so its special letters are escaped.
    Chosen(Vec<String>),
}

/// Where the text will be used; decides how a value is written unless the variable says it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Link,
}

/// The values by name: `service`, `__rate_interval`, `__data.fields.trace_id`.
pub(super) type Values = BTreeMap<String, Value>;

/// How far apart the points of a query are, and how far it looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub range: Duration,
    /// How often points come: the data source's `timeInterval`, or a target's own.
    pub scrape: Duration,
    /// The most points that are asked for.
    pub points: u32,
}

// === impl Value ===

impl Value {
    pub(super) fn one(value: impl Into<String>) -> Self {
        Self::One(value.into())
    }

    fn written(&self, name: &str, format: &str, place: Place) -> Result<String, String> {
        let (all, is_chosen) = match self {
            Self::One(one) => (std::slice::from_ref(one), false),
            Self::Chosen(all) => (all.as_slice(), true),
        };
        let escaped = || all.iter().map(|value| regex::escape(value));
        Ok(match (format, place) {
            ("", Place::Query) if !is_chosen => all.join(""),
            ("regex" | "", Place::Query) | ("regex", Place::Link) => alternatives(escaped()),
            ("pipe", _) => all.join("|"),
            ("csv" | "raw", _) => all.join(","),
            ("text", _) => all.join(" + "),
            ("percentencode", _) => percent_encode(&all.join(",")),
            ("queryparam", _) => {
                let pairs = all
                    .iter()
                    .map(|value| format!("var-{name}={}", percent_encode(value)));
                pairs.collect::<Vec<_>>().join("&")
            }
            ("doublequote", _) => quoted(all, '"'),
            ("singlequote", _) => quoted(all, '\''),
            ("", Place::Link) if all.len() > 1 => format!("{{{}}}", all.join(",")),
            ("", Place::Link) => all.join(""),
            (other, _) => return Err(format!("the format {other:?} of ${{{name}}} is unknown")),
        })
    }
}

fn alternatives(values: impl ExactSizeIterator<Item = String>) -> String {
    let is_several = values.len() > 1;
    let joined = values.collect::<Vec<_>>().join("|");
    if is_several {
        format!("({joined})")
    } else {
        joined
    }
}

fn quoted(values: &[String], mark: char) -> String {
    let quoted = values
        .iter()
        .map(|value| format!("{mark}{}{mark}", value.replace(mark, &format!("\\{mark}"))));
    quoted.collect::<Vec<_>>().join(",")
}

pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

// === impl Window ===

impl Window {
    /// `$__interval`: the range over the points, not below the scrape interval.
    pub(super) fn interval(self) -> Duration {
        let wanted = self.range / self.points.max(1);
        // Grafana rounds to steps people would choose; below the scrape interval that does not matter.
        wanted.max(self.scrape).max(Duration::from_millis(1))
    }

    /// `$__rate_interval`: at least four points, so that one lost scrape leaves no hole.
    pub(super) fn rate_interval(self) -> Duration {
        (self.interval() + self.scrape).max(self.scrape * 4)
    }

    /// The variables that Grafana itself sets.
    pub(super) fn values(self) -> Values {
        let seconds = |time: Duration| format!("{}s", time.as_secs().max(1));
        let range = self.range.as_secs();
        [
            ("__interval", seconds(self.interval())),
            ("__interval_ms", self.interval().as_millis().to_string()),
            ("__rate_interval", seconds(self.rate_interval())),
            (
                "__rate_interval_ms",
                self.rate_interval().as_millis().to_string(),
            ),
            ("__auto", seconds(self.interval())),
            ("__range", format!("{range}s")),
            ("__range_s", range.to_string()),
            ("__range_ms", self.range.as_millis().to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::One(value)))
        .collect()
    }
}

/// `$name`, `${name}`, `${name:format}`, `[[name]]`, `[[name:format]]`; `Err` names the first that has no value.
///
/// A dollar before a digit is a group of a regular expression and stays.
pub(super) fn expand(text: &str, values: &Values, place: Place) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '[']) {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        let (inner, after) = if let Some(inner) = rest.strip_prefix("${") {
            closed(inner, "}").ok_or_else(|| format!("{rest:?} is not closed"))?
        } else if let Some((inner, after)) =
            rest.strip_prefix("[[").and_then(|rest| closed(rest, "]]"))
        {
            (inner, after)
        } else if let Some(name) = rest.strip_prefix('$').and_then(bare) {
            (name, &rest[1 + name.len()..])
        } else {
            expanded.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        let (name, format) = split_format(inner);
        let value = values
            .get(&canonical(name))
            .ok_or_else(|| format!("${{{name}}} has no value here"))?;
        expanded.push_str(&value.written(name, format, place)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// `__data.fields["a b"]` and `__data.fields.a` are the same.
fn canonical(name: &str) -> String {
    name.replace("[\"", ".")
        .replace("['", ".")
        .replace("\"]", "")
        .replace("']", "")
}

fn closed<'a>(text: &'a str, end: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(end)
}

/// A name that can stand after a dollar without braces.
fn bare(text: &str) -> Option<&str> {
    let end = text
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    let name = &text[..end];
    (!name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())).then_some(name)
}

/// `name:format`; a name in quotes may hold colons.
fn split_format(inner: &str) -> (&str, &str) {
    match inner.rsplit_once(':') {
        Some((name, format)) if !format.contains(['"', '\'', ']']) => (name, format),
        _ => (inner, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let two = vec!["gateway".to_owned(), "order.v1".to_owned()];
        Values::from([
            ("service".to_owned(), Value::Chosen(two)),
            (
                "route".to_owned(),
                Value::Chosen(vec!["/products/{id}".to_owned()]),
            ),
            ("__data.fields.trace_id".to_owned(), Value::one("ab")),
        ])
    }

    fn query(text: &str) -> Result<String, String> {
        expand(text, &values(), Place::Query)
    }

    #[test]
    fn several_values_become_alternatives_in_all_three_spellings() {
        for text in [
            "$service",
            "${service}",
            "[[service]]",
            "${service:regex}",
            "[[service:regex]]",
        ] {
            assert_eq!(query(text).unwrap(), r"(gateway|order\.v1)", "{text}");
        }
        assert_eq!(query("${service:pipe}").unwrap(), "gateway|order.v1");
    }

    #[test]
    fn one_chosen_value_is_escaped_and_has_no_brackets() {
        assert_eq!(query("$route").unwrap(), r"/products/\{id\}");
    }

    #[test]
    fn ranges_in_brackets_and_groups_of_expressions_stay() {
        assert_eq!(
            query(r#"rate(a[5m]) "$1" [a-z]"#).unwrap(),
            r#"rate(a[5m]) "$1" [a-z]"#
        );
    }

    #[test]
    fn a_link_takes_values_as_parameters_and_fields_by_either_spelling() {
        let link = |text| expand(text, &values(), Place::Link).unwrap();
        assert_eq!(
            link("/d/x?${service:queryparam}"),
            "/d/x?var-service=gateway&var-service=order.v1"
        );
        assert_eq!(link(r#"${__data.fields["trace_id"]}"#), "ab");
        assert_eq!(link("${__data.fields.trace_id}"), "ab");
        assert_eq!(link("${route:percentencode}"), "%2Fproducts%2F%7Bid%7D");
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        assert_eq!(
            query("up{a=\"$sevice\"}").unwrap_err(),
            "${sevice} has no value here"
        );
    }

    #[test]
    fn the_rate_interval_is_four_scrapes_or_a_step_and_a_scrape() {
        let window = |minutes: u64| Window {
            range: Duration::from_secs(60 * minutes),
            scrape: Duration::from_secs(5),
            points: 1000,
        };
        assert_eq!(window(15).rate_interval(), Duration::from_secs(20));
        assert_eq!(window(1000).interval(), Duration::from_secs(60));
        assert_eq!(window(1000).rate_interval(), Duration::from_secs(65));
        assert_eq!(window(15).values()["__range"], Value::one("900s"));
    }
}
