//! Spans as a tree of text, compared by shape: ids and times differ between runs, who called whom does not.

use std::collections::{BTreeMap, HashMap};

use crate::model::Span;

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
    let mut trees: Vec<String> = forest.roots.iter().map(|&n| forest.draw(n, 0)).collect();
    let orphanage =
        |children: &Vec<usize>| format!("(parent not received)\n{}", forest.draw_all(children, 1));
    trees.extend(forest.orphans.values().map(orphanage));
    if !forest.loops.is_empty() {
        let lines: String = forest.loops.iter().map(|&n| forest.line(n, 1)).collect();
        trees.push(format!("(parents form a loop)\n{lines}"));
    }
    trees.sort();
    trees.concat()
}

struct Forest<'a> {
    spans: &'a [Span],
    children: HashMap<usize, Vec<usize>>,
    roots: Vec<usize>,
    /// By the parent they name.
    orphans: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    loops: Vec<usize>,
    times_used: HashMap<&'a str, usize>,
}

impl<'a> Forest<'a> {
    fn of(spans: &'a [Span]) -> Self {
        let mut forest = Self {
            spans,
            children: HashMap::new(),
            roots: Vec::new(),
            orphans: BTreeMap::new(),
            loops: Vec::new(),
            times_used: HashMap::new(),
        };
        let mut by_id = HashMap::new();
        for (n, span) in spans.iter().enumerate() {
            by_id.insert((span.trace_id.as_str(), span.span_id.as_str()), n);
            *forest.times_used.entry(&span.span_id).or_default() += 1;
        }
        for (n, span) in spans.iter().enumerate() {
            let Some(parent) = &span.parent_span_id else {
                forest.roots.push(n);
                continue;
            };
            let parent = (span.trace_id.as_str(), parent.as_str());
            match by_id.get(&parent) {
                Some(&parent) => forest.children.entry(parent).or_default().push(n),
                None => forest.orphans.entry(parent).or_default().push(n),
            }
        }
        forest.find_loops();
        forest
    }

    /// What neither a root nor an orphan leads to has itself among its ancestors.
    fn find_loops(&mut self) {
        let mut reached = vec![false; self.spans.len()];
        let mut todo: Vec<usize> = self.roots.clone();
        todo.extend(self.orphans.values().flatten());
        while let Some(n) = todo.pop() {
            reached[n] = true;
            todo.extend(self.children.get(&n).into_iter().flatten());
        }
        self.loops = (0..self.spans.len()).filter(|&n| !reached[n]).collect();
    }

    fn draw(&self, n: usize, depth: usize) -> String {
        let children = self.children.get(&n).map(Vec::as_slice).unwrap_or_default();
        self.line(n, depth) + &self.draw_all(children, depth + 1)
    }

    fn draw_all(&self, spans: &[usize], depth: usize) -> String {
        let mut drawn: Vec<String> = spans.iter().map(|&n| self.draw(n, depth)).collect();
        drawn.sort();
        drawn.concat()
    }

    fn line(&self, n: usize, depth: usize) -> String {
        let span = &self.spans[n];
        let indent = "  ".repeat(depth);
        let mut line = format!("{indent}{} {} [{}]", span.kind, span.name, span.service());
        if span.is_error() {
            line.push_str(" ERROR");
        }
        if !is_id(&span.trace_id, 16) {
            line.push_str(&format!(" (malformed trace id {:?})", span.trace_id));
        }
        if !is_id(&span.span_id, 8) {
            line.push_str(&format!(" (malformed span id {:?})", span.span_id));
        }
        if self.times_used[span.span_id.as_str()] > 1 {
            line.push_str(" (span id used twice)");
        }
        line.push('\n');
        line
    }
}

fn is_id(hex: &str, bytes: usize) -> bool {
    hex.len() == 2 * bytes && hex.bytes().any(|digit| digit != b'0')
}
