//! What a terminal would obey, and a terminal that is closed.

use std::io::{Error, ErrorKind};

use telemetry_testing::terminal::{escape, escape_lines, is_closed_pipe};
use telemetry_testing::{Kind, Span, tree};

#[test]
fn what_a_terminal_would_obey_is_made_visible() {
    for (text, shown) in [
        ("GET /products/é 注文", "GET /products/é 注文"),
        ("\u{1b}[2J\nok", r"\u{1b}[2J\nok"),
        ("a\rb\tc\u{7f}", r"a\rb\tc\u{7f}"),
        // The 8-bit form of ESC [, and a letter that reverses what follows.
        ("\u{9b}2J\u{202e}", r"\u{9b}2J\u{202e}"),
    ] {
        assert_eq!(escape(text), shown);
    }
    assert_eq!(escape_lines("a\n\u{1b}b"), "a\n\\u{1b}b");
    let forged = Span::of_service("shop\u{1b}", Kind::Server, "GET\nSERVER forged [gateway]");
    assert_eq!(
        tree::render(&[forged]),
        "SERVER GET\\nSERVER forged [gateway] [shop\\u{1b}]\n"
    );
}

#[test]
fn a_closed_pipe_is_found_below_other_errors() {
    let closed = || Error::from(ErrorKind::BrokenPipe);
    assert!(is_closed_pipe(&closed()));
    #[derive(Debug, thiserror::Error)]
    #[error("writing the report")]
    struct Writing(#[source] Error);
    assert!(is_closed_pipe(&Writing(closed())));
    assert!(!is_closed_pipe(&Writing(ErrorKind::NotFound.into())));
}
