//! The error table of the crate's documentation: an error to `exception.*`.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;

pub(crate) const TYPE: &str = "exception.type";
pub(crate) const MESSAGE: &str = "exception.message";

/// The error and its sources, joined by `: `.
pub(crate) fn message(error: &(dyn Error + 'static)) -> String {
    let mut text = shown(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = shown(cause);
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// What an error displays, as far as it gets: `to_string` would panic in the caller.
fn shown(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    write!(text, "{error}").ok();
    text
}

/// The name of an error's type or variant, as far as it can be known.
pub(crate) fn type_name(error: &(dyn Error + 'static)) -> Option<String> {
    if error.is::<io::Error>() {
        return Some("std::io::Error".to_owned());
    }
    let mut head = Head::default();
    // An error here means that the head is complete.
    write!(head, "{error:?}").ok();
    head.name()
}

/// Takes the start of a `Debug` text and stops the rest, which may be long, from being formatted.
#[derive(Default)]
struct Head(String);

impl Head {
    const LIMIT: usize = 80;

    /// The identifier the text starts with, if it is what a derived `Debug` would write. An error whose `Debug` is a
    /// sentence has none.
    fn name(self) -> Option<String> {
        let end = self
            .0
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
            .unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        let is_derived = rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {");
        let is_name = name.starts_with(|c: char| c.is_uppercase()) || name.contains("::");
        (is_derived && is_name && end < Self::LIMIT).then(|| name.to_owned())
    }
}

impl Write for Head {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(
            text.chars()
                .take(Self::LIMIT - self.0.len().min(Self::LIMIT)),
        );
        if self.0.len() < Self::LIMIT {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
