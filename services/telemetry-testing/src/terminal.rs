//! Text of others on a terminal, and a terminal that is closed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;
use std::io;

/// Makes visible what a terminal would obey: control characters, escape sequences, line ends, and marks that reverse the order of
/// letters. For every text that comes from telemetry, files or answers and is printed.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            letter if is_obeyed(letter) => {
                // Writing to a String cannot fail.
                write!(escaped, "{}", letter.escape_default()).unwrap_or_default();
            }
            letter => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// [`escape`] for messages of our own that quote others: their line ends stay.
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escape).collect();
    lines.join("\n")
}

fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether an error is that no one reads the output any more, as in `just trace ID | head -1`: a program ends without a message.
pub fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let error_of_io = error.downcast_ref::<io::Error>();
        if error_of_io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}
