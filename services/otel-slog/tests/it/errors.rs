use std::error::Error;
use std::{fmt, io};

use slog::{Logger, info};

use crate::capture::{attribute, one, text};

/// Fails like a service's own error: names the operation, keeps the cause apart.
#[derive(Debug)]
enum PlaceOrder {
    Failed { cause: Box<Self> },
    Price { cause: io::Error },
    Empty,
    Wrapped(Printed),
}

impl fmt::Display for PlaceOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed { .. } => "order failed",
            Self::Price { .. } => "price lookup failed",
            Self::Empty => "order is empty",
            Self::Wrapped(_) => "order failed: already printed",
        })
    }
}

impl Error for PlaceOrder {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { cause } => Some(&**cause),
            Self::Price { cause } => Some(cause),
            Self::Empty => None,
            Self::Wrapped(cause) => Some(cause),
        }
    }
}

#[derive(Debug)]
struct Printed;

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("already printed")
    }
}

impl Error for Printed {}

/// An error with a sentence for its `Debug`.
struct Sentence(String);

impl fmt::Debug for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("said")
    }
}

impl Error for Sentence {}

fn check(statement: impl FnOnce(&Logger), name: Option<&str>, message: &str) {
    let emitted = one(statement);
    assert_eq!(attribute(&emitted, "exception.type"), name.and_then(text));
    assert_eq!(attribute(&emitted, "exception.message"), text(message));
    assert_eq!(
        attribute(&emitted, "error"),
        None,
        "the key itself stays out"
    );
}

#[test]
fn an_error_is_its_type_and_its_whole_chain() {
    let price = PlaceOrder::Price {
        cause: io::Error::other("connection reset"),
    };
    let error = PlaceOrder::Failed {
        cause: Box::new(price),
    };
    let message = "order failed: price lookup failed: connection reset";
    check(
        |log| info!(log, "m"; "error" => #error),
        Some("Failed"),
        message,
    );
}

#[test]
fn a_source_that_was_already_printed_is_not_repeated() {
    let error = PlaceOrder::Wrapped(Printed);
    let message = "order failed: already printed";
    check(
        |log| info!(log, "m"; "error" => #error),
        Some("Wrapped"),
        message,
    );
}

#[test]
fn an_io_error_has_the_name_of_its_type() {
    let error = io::Error::from(io::ErrorKind::NotFound);
    let message = "entity not found";
    check(
        |log| info!(log, "m"; "error" => error),
        Some("std::io::Error"),
        message,
    );
}

#[test]
fn an_error_behind_a_pointer_maps_alike() {
    let error: Box<dyn Error> = Box::new(PlaceOrder::Empty);
    check(
        |log| info!(log, "m"; "error" => &*error),
        Some("Empty"),
        "order is empty",
    );
}

#[test]
fn a_debug_text_without_a_name_gives_no_type() {
    for debug in [
        "Connection reset by peer",
        "timeout",
        "\"Quoted\"",
        "",
        &"A".repeat(1_000),
    ] {
        let error = Sentence(debug.to_owned());
        check(|log| info!(log, "m"; "error" => #error), None, "said");
    }
}

#[test]
fn a_path_in_a_debug_text_is_a_type() {
    let error = Sentence("store::error::Busy { after: 3 }".to_owned());
    check(
        |log| info!(log, "m"; "error" => #error),
        Some("store::error::Busy"),
        "said",
    );
}

#[test]
fn of_two_errors_the_newest_wins_whole() {
    let (older, newer) = (PlaceOrder::Empty, Sentence("timeout".to_owned()));
    check(
        |log| info!(log, "m"; "error" => #newer, "error" => #older),
        Some("Empty"),
        "order is empty",
    );
    let (older, newer) = (PlaceOrder::Empty, Sentence("timeout".to_owned()));
    check(
        |log| info!(log, "m"; "error" => #older, "error" => #newer),
        None,
        "said",
    );
}
