//! Trees as text: equal for equal shapes, and telling for broken ones.

use telemetry_testing::{Kind, Span, Status, tree};

fn span(name: &str, id: u8, parent: u8) -> Span {
    Span {
        trace_id: "ab".repeat(16),
        span_id: format!("{id:016x}"),
        parent_span_id: (parent != 0).then(|| format!("{parent:016x}")),
        ..Span::of_service("shop", Kind::Internal, name)
    }
}

#[track_caller]
fn check(spans: &[Span], expected: &str) {
    assert_eq!(tree::render(spans), expected.trim_start_matches('\n'));
}

#[test]
fn children_are_indented_and_siblings_sorted_whatever_the_order_of_arrival() {
    let mut spans = [
        span("c", 4, 2),
        span("b", 3, 1),
        span("a", 2, 1),
        span("root", 1, 0),
        span("b", 5, 1),
    ];
    let expected = "
INTERNAL root [shop]
  INTERNAL a [shop]
    INTERNAL c [shop]
  INTERNAL b [shop]
  INTERNAL b [shop]
";
    check(&spans, expected);
    spans.reverse();
    check(&spans, expected);
}

#[test]
fn what_is_wrong_with_a_tree_is_shown_where_it_is_wrong() {
    let mut failed = span("root", 1, 0);
    failed.status = Status::Error(String::new());
    failed.kind = Kind::Server;
    check(&[failed], "SERVER root [shop] ERROR\n");

    let orphans = [
        span("root", 1, 0),
        span("b", 3, 9),
        span("a", 4, 9),
        span("c", 5, 3),
    ];
    check(
        &orphans,
        "
(parent not received)
  INTERNAL a [shop]
  INTERNAL b [shop]
    INTERNAL c [shop]
INTERNAL root [shop]
",
    );
    let mut other_trace = span("child", 2, 1);
    other_trace.trace_id = "cd".repeat(16);
    check(
        &[span("root", 1, 0), other_trace],
        "
(parent not received)
  INTERNAL child [shop]
INTERNAL root [shop]
",
    );
    check(
        &[span("a", 1, 2), span("b", 2, 1)],
        "
(parents form a loop)
  INTERNAL a [shop]
    INTERNAL b [shop]
",
    );
    check(
        &[span("a", 1, 0), span("b", 1, 0)],
        "
INTERNAL a [shop] (span id used twice)
INTERNAL b [shop] (span id used twice)
",
    );
    let mut zero = span("zero", 0, 0);
    zero.trace_id = "00".repeat(16);
    check(
        &[zero],
        "INTERNAL zero [shop] (malformed trace id \"00000000000000000000000000000000\") \
         (malformed span id \"0000000000000000\")\n",
    );
    let mut short = span("short", 1, 0);
    short.span_id = "12".to_owned();
    check(
        &[short],
        "INTERNAL short [shop] (malformed span id \"12\")\n",
    );
}
