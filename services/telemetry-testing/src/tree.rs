//! Spans as a tree of text, compared by shape: ids and times differ between runs, who called whom does not.

use std::collections::BTreeMap;

use crate::model::Span;
use crate::trace::{Forest, Top};

/// Deeper spans are not indented further: a chain of 50,000 would be gigabytes of blanks.
pub const MAX_DEPTH: usize = 64;

/// Draws the spans, a line each: `KIND name [service]`, children indented under their parent.
///
/// - Siblings and trees are sorted by their text, so that the order of arrival does not matter.
/// - A failed span ends in ` ERROR`.
/// - A parent that did not arrive is drawn as `(parent not received)`: a broken hop is visible where it broke.
/// - Ids are checked, not shown: one that is not 16 (trace) or 8 (span) bytes with a bit set, or that is used twice,
///   is noted on its line.
///
/// ```text
/// SERVER POST /api/orders [gateway]
///   CLIENT shop.order.v1.OrderService/PlaceOrder [gateway]
///     SERVER shop.order.v1.OrderService/PlaceOrder [order]
/// ```
pub fn render(spans: &[Span]) -> String {
    let forest = Forest::of(spans);
    let drawing = Drawing { spans, forest };
    let mut trees: Vec<String> = Vec::new();
    let mut orphans: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for &(n, top) in &drawing.forest.tops {
        match top {
            Top::Root => trees.push(drawing.draw(n, 0)),
            Top::Orphan => {
                let parent = (&spans[n].trace_id, &spans[n].parent_span_id);
                orphans.entry(parent).or_default().push(n);
            }
            Top::Loop => trees.push(format!("(parents form a loop)\n{}", drawing.draw(n, 1))),
        }
    }
    let orphans = orphans.into_values();
    trees.extend(orphans.map(|n| format!("(parent not received)\n{}", drawing.draw_all(n, 1))));
    trees.sort();
    trees.concat()
}

struct Drawing<'a> {
    spans: &'a [Span],
    forest: Forest,
}

impl Drawing<'_> {
    fn draw(&self, n: usize, depth: usize) -> String {
        if depth == MAX_DEPTH {
            return self.draw_flat(n);
        }
        let below = self.forest.below(n).collect();
        self.line(n, depth) + &self.draw_all(below, depth + 1)
    }

    fn draw_all(&self, spans: Vec<usize>, depth: usize) -> String {
        let mut drawn: Vec<String> = spans.into_iter().map(|n| self.draw(n, depth)).collect();
        drawn.sort();
        drawn.concat()
    }

    /// A span and all below it, without indentation.
    fn draw_flat(&self, n: usize) -> String {
        let mut lines = Vec::new();
        let mut waiting = vec![n];
        while let Some(n) = waiting.pop() {
            lines.push(self.line(n, MAX_DEPTH));
            waiting.extend(self.forest.below(n));
        }
        lines.sort();
        let count = lines.len();
        let indent = "  ".repeat(MAX_DEPTH);
        format!("{indent}({count} spans at this level or deeper)\n") + &lines.concat()
    }

    fn line(&self, n: usize, depth: usize) -> String {
        let span = &self.spans[n];
        let mut line = format!("{}{}", "  ".repeat(depth), span.title());
        if span.is_error() {
            line.push_str(" ERROR");
        }
        for (name, id, bytes) in [("trace", &span.trace_id, 16), ("span", &span.span_id, 8)] {
            if id.len() != 2 * bytes || id.bytes().all(|digit| digit == b'0') {
                line.push_str(&format!(" (malformed {name} id {id:?})"));
            }
        }
        if self.forest.repeated[n] {
            line.push_str(" (span id used twice)");
        }
        line.push('\n');
        line
    }
}
