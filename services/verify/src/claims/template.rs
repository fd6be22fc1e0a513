//! Variables in queries and links, replaced as Grafana replaces them.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::{Captures, Regex};

use super::query::POINTS;
use super::{Unmet, Verdict};
use crate::check::Scene;

/// The value of a variable: one, or the several of a choice such as "All".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    /// Of a variable that may have several values: queries use it as a pattern, so its special letters are escaped.
    Chosen(Vec<String>),
}

/// Where the text is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Link,
}

/// The values by name: `service`, `__rate_interval`, `__data.fields.trace_id`.
pub(super) type Values = BTreeMap<String, Value>;

/// The range of a query, and the distance of its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub range: Duration,
    /// How often points come.
    pub scrape: Duration,
}

// === impl Value ===

impl Value {
    pub(super) fn one(value: impl Into<String>) -> Self {
        Self::One(value.into())
    }

    fn written(&self, place: Place) -> String {
        match (self, place) {
            (Self::One(one), _) => one.clone(),
            (Self::Chosen(all), Place::Query) => {
                let escaped: Vec<String> = all.iter().map(|value| regex::escape(value)).collect();
                match escaped.as_slice() {
                    [one] => one.clone(),
                    several => format!("({})", several.join("|")),
                }
            }
            (Self::Chosen(all), Place::Link) => match all.as_slice() {
                [one] => one.clone(),
                several => format!("{{{}}}", several.join(",")),
            },
        }
    }
}

// === impl Window ===

impl Window {
    pub(super) fn of(scene: &Scene, range: Duration) -> Self {
        Self {
            range,
            scrape: scene.interval,
        }
    }

    /// `$__interval`: the range divided by the points, at least the scrape interval.
    pub(super) fn interval(self) -> Duration {
        let wanted = self.range / POINTS;
        wanted.max(self.scrape).max(Duration::from_millis(1))
    }

    /// `$__rate_interval`: at least four points, so that one failed scrape leaves no gap.
    fn rate_interval(self) -> Duration {
        (self.interval() + self.scrape).max(self.scrape * 4)
    }

    /// The variables that Grafana itself sets.
    pub(super) fn values(self) -> Values {
        let all = [
            ("__interval", self.interval()),
            ("__rate_interval", self.rate_interval()),
            ("__range", self.range),
        ];
        let written = |time: Duration| Value::One(format!("{}s", time.as_secs().max(1)));
        all.map(|(name, time)| (name.to_owned(), written(time)))
            .into()
    }
}

/// Replaces `$name` and `${name}`. A dollar before a digit is a group of a regular expression and stays.
pub(super) fn expand(text: &str, values: &Values, place: Place) -> Verdict {
    let variable = Regex::new(r"\$(?:\{([^}]*)\}|([A-Za-z_]\w*))|\[\[([A-Za-z_][\w:]*)\]\]")?;
    let mut failed = None;
    let expanded = variable.replace_all(text, |found: &Captures<'_>| {
        let name = found
            .get(1)
            .or(found.get(2))
            .map_or("", |name| name.as_str());
        if let Some(value) = values.get(name) {
            return value.written(place);
        }
        failed.get_or_insert(match name.contains(':') || name.is_empty() {
            true => Unmet::unread(&found[0]),
            false => Unmet::Broken(format!("${{{name}}} has no value here")),
        });
        String::new()
    });
    match failed {
        Some(failed) => Err(failed),
        None => Ok(expanded.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_by_place_and_number_of_values() {
        let chosen = |all: &[&str]| Value::Chosen(all.iter().map(|&one| one.into()).collect());
        let values = Values::from([
            ("service".to_owned(), chosen(&["a", "b.c"])),
            ("route".to_owned(), chosen(&["/p/{id}"])),
            ("__data.fields.x".to_owned(), Value::one("a.b")),
        ]);
        let query = |text| expand(text, &values, Place::Query);
        for (text, expected) in [
            ("$service ${service}", r"(a|b\.c) (a|b\.c)"),
            ("$route", r"/p/\{id\}"),
            ("${__data.fields.x}", "a.b"),
            (r#"rate(a[5m]) "$1" [a-z]"#, r#"rate(a[5m]) "$1" [a-z]"#),
            ("x=~\"[[:alpha:]]+$\"", "x=~\"[[:alpha:]]+$\""),
        ] {
            assert_eq!(query(text).as_deref(), Ok(expected));
        }
        let link = expand("/d/x?a=$service&b=$route", &values, Place::Link);
        assert_eq!(link.as_deref(), Ok("/d/x?a={a,b.c}&b=/p/{id}"));
        let state = "${sevice} has no value here".to_owned();
        assert_eq!(query("up{a=\"$sevice\"}"), Err(Unmet::Broken(state)));
    }

    #[test]
    fn the_rate_interval_is_four_scrapes_or_a_step_and_a_scrape() {
        for (minutes, interval, rate_interval) in [(15, 5, 20), (500, 60, 65)] {
            let window = Window {
                range: Duration::from_secs(60 * minutes),
                scrape: Duration::from_secs(5),
            };
            assert_eq!(window.interval().as_secs(), interval);
            assert_eq!(window.rate_interval().as_secs(), rate_interval);
        }
    }
}
