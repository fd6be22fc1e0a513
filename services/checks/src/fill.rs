//! `{variables}` in the texts of a row. `{{id}}` is the text `{id}`, as routes have it.

use std::sync::LazyLock;

use anyhow::{Context, bail};
use regex::{Captures, Regex};
use yaml_serde::Value;

use crate::row::Row;

static VARIABLE: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(r"\{(\{[a-z][a-z0-9_.-]*\})\}|\{([a-z][a-z0-9_.-]*)\}"));

/// `text` with each `{name}` replaced by `value(name)`; an unknown name is an error.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    let mut unknown = None;
    let filled = variables()?.replace_all(text, |found: &Captures<'_>| {
        if let Some(literal) = found.get(1) {
            return literal.as_str().to_owned();
        }
        let name = &found[2];
        value(name).unwrap_or_else(|| {
            unknown.get_or_insert_with(|| name.to_owned());
            String::new()
        })
    });
    match unknown {
        Some(name) => bail!("{{{name}}} has no value"),
        None => Ok(filled.into_owned()),
    }
}

/// `text` with the variables that `value` knows; all else stays as it is, to be filled later.
pub(crate) fn fill_known(
    text: &str,
    value: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<String> {
    let filled = variables()?.replace_all(text, |found: &Captures<'_>| {
        let known = found.get(2).and_then(|name| value(name.as_str()));
        known.unwrap_or_else(|| found[0].to_owned())
    });
    Ok(filled.into_owned())
}

/// The names of the variables in `text`.
pub(crate) fn names(text: &str) -> anyhow::Result<Vec<String>> {
    let found = variables()?.captures_iter(text);
    Ok(found
        .filter_map(|found| Some(found.get(2)?.as_str().to_owned()))
        .collect())
}

fn variables() -> anyhow::Result<&'static Regex> {
    VARIABLE.as_ref().context("the pattern of variables")
}

/// Passes every text in `value` through `change`.
pub(crate) fn substitute(
    value: &mut Value,
    change: &dyn Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    match value {
        Value::String(text) => *text = change(text)?,
        Value::Sequence(values) => values
            .iter_mut()
            .try_for_each(|value| substitute(value, change))?,
        Value::Mapping(entries) => entries
            .values_mut()
            .try_for_each(|value| substitute(value, change))?,
        _ => {}
    }
    Ok(())
}

// === impl Row ===

impl Row {
    /// The row with its variables filled in.
    pub fn filled(&self, value: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        // A name is filled in when the row is read, and may have braces of its own: `Tempo answers /api/traces/{id}`.
        let name = String::new();
        let mut texts = yaml_serde::to_value(Self {
            name,
            ..self.clone()
        })?;
        substitute(&mut texts, &|text| fill(text, &value))?;
        let mut row: Self = yaml_serde::from_value(texts)?;
        row.name.clone_from(&self.name);
        row.place.clone_from(&self.place);
        row.stage = self.stage;
        Ok(row)
    }
}
