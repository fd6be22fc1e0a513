//! Traces of others: whatever their parents are, every span is drawn once, in about linear time.

use telemetry_testing::trace::{Row, Top, Trace};
use telemetry_testing::{Kind, Span, tree};

fn span(name: &str, id: usize, parent: usize) -> Span {
    Span {
        trace_id: "ab".repeat(16),
        span_id: format!("{id:016x}"),
        parent_span_id: (parent != 0).then(|| format!("{parent:016x}")),
        start: id as u64,
        ..Span::of_service("shop", Kind::Internal, name)
    }
}

fn drawn(spans: Vec<Span>) -> Vec<(String, usize, Option<Top>, bool)> {
    let row = |row: Row<'_>| (row.span.name.clone(), row.depth, row.top, row.is_repeated);
    Trace::new(spans).rows().map(row).collect()
}

#[test]
fn a_trace_knows_parents_children_roots_and_orphans() {
    let mut server = span("server", 2, 1);
    server.kind = Kind::Server;
    let spans = vec![
        span("query", 3, 2),
        span("lost", 4, 9),
        server.clone(),
        span("root", 1, 0),
        server,
    ];
    let trace = Trace::new(spans);
    assert_eq!(trace.spans.len(), 4, "delivered twice, counted once");
    assert_eq!(trace.roots()[0].name, "root");
    assert_eq!(trace.orphans()[0].name, "lost");
    let query = trace.span("0000000000000003").unwrap();
    assert_eq!(trace.parent(query).unwrap().name, "server");
    assert_eq!(trace.server_of(query).unwrap().name, "server");
    let below: Vec<_> = trace.children("0000000000000001").collect();
    assert_eq!(below[0].name, "server");
    assert_eq!(trace.services().len(), 1);
}

#[test]
fn loops_and_repeated_ids_are_drawn_once_with_a_note() {
    let own_parent = drawn(vec![span("a", 1, 1)]);
    assert_eq!(own_parent, [("a".to_owned(), 0, Some(Top::Loop), false)]);

    // 5 is below the loop of 2 and 3, and comes first by its start.
    let mut below = span("below", 5, 3);
    below.start = 0;
    let of_loop = drawn(vec![
        below,
        span("b", 2, 3),
        span("c", 3, 2),
        span("root", 1, 0),
    ]);
    let names: Vec<_> = of_loop.iter().map(|row| (row.0.as_str(), row.1)).collect();
    assert_eq!(names, [("root", 0), ("c", 0), ("below", 1), ("b", 1)]);
    let trace = Trace::new(vec![span("b", 2, 3), span("c", 3, 2)]);
    assert!(trace.server_of(&trace.spans[0]).is_none(), "it ends");

    let twice = drawn(vec![span("a", 1, 0), span("b", 1, 0), span("child", 2, 1)]);
    let repeated: Vec<_> = twice.iter().map(|row| (row.0.as_str(), row.3)).collect();
    assert_eq!(repeated, [("a", true), ("child", false), ("b", true)]);
}

#[test]
fn a_deep_chain_is_drawn_in_linear_size() {
    const DEPTH: usize = 50_000;
    let chain: Vec<_> = (1..=DEPTH).map(|n| span("s", n, n - 1)).collect();
    // Indentation for each level would be 2.5 GB; recursion for each would overflow the stack.
    let text = tree::render(&chain);
    assert_eq!(text.lines().count(), DEPTH + 1);
    assert!(text.len() < DEPTH * (2 * tree::MAX_DEPTH + 40));
    assert!(text.contains("(49936 spans at this level or deeper)\n"));

    let trace = Trace::new(chain);
    let deepest = trace.rows().last().unwrap();
    assert_eq!((trace.rows().count(), deepest.depth), (DEPTH, DEPTH - 1));
    assert!(trace.outline().len() < 1000, "{}", trace.outline());
}
