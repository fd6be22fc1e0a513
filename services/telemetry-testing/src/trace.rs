//! A trace as it is judged and drawn, whichever store it came from.
//!
//! Spans come from outside: ids may be used twice, parents may be missing, or form a loop, or a chain of any length. Everything here
//! takes about linear time and no recursion.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::model::{Kind, Span};

/// Titles in an outline.
const OUTLINED: usize = 20;

/// All spans of one trace id that a store has so far, by start time.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Read only: the index below is made from it once.
    pub spans: Vec<Span>,
    by_id: HashMap<String, usize>,
    forest: Forest,
}

/// Who is below whom, by position in a list of spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forest {
    pub(crate) parents: Vec<Option<usize>>,
    pub(crate) children: Vec<Vec<usize>>,
    /// From these every span is reached once.
    pub(crate) tops: Vec<(usize, Top)>,
    /// Whether another span has the same id.
    pub(crate) repeated: Vec<bool>,
}

/// Why a span has no parent above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    Root,
    /// Its parent was not received.
    Orphan,
    /// It is among its own ancestors.
    Loop,
}

/// A span in the order in which a tree is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub span: &'a Span,
    pub depth: usize,
    /// For a span at depth 0.
    pub top: Option<Top>,
    /// Another span of the trace has the same id.
    pub is_repeated: bool,
}

// === impl Trace ===

impl Trace {
    /// Keeps one copy of each span, as a repeated export delivers it twice. Another span with the same id stays.
    pub fn new(mut spans: Vec<Span>) -> Self {
        let mut seen = HashSet::new();
        spans.retain(|span| {
            let (id, parent) = (span.span_id.clone(), span.parent_span_id.clone());
            seen.insert((id, parent, span.name.clone(), span.start, span.end))
        });
        spans.sort_by(|a, b| (a.start, &a.span_id).cmp(&(b.start, &b.span_id)));
        let forest = Forest::of(&spans);
        let mut by_id = HashMap::new();
        for (n, span) in spans.iter().enumerate() {
            by_id.entry(span.span_id.clone()).or_insert(n);
        }
        Self {
            spans,
            by_id,
            forest,
        }
    }

    pub fn span(&self, id: &str) -> Option<&Span> {
        self.spans.get(*self.by_id.get(id)?)
    }

    pub fn parent(&self, span: &Span) -> Option<&Span> {
        self.span(span.parent_span_id.as_deref()?)
    }

    pub fn children(&self, id: &str) -> impl Iterator<Item = &Span> {
        let of = |n: &usize| &self.forest.children[*n];
        let children = self.by_id.get(id).map(of).into_iter().flatten();
        children.map(|n| &self.spans[*n])
    }

    /// Spans that name no parent.
    pub fn roots(&self) -> Vec<&Span> {
        self.tops(Top::Root)
    }

    /// Spans whose parent has not arrived.
    pub fn orphans(&self) -> Vec<&Span> {
        self.tops(Top::Orphan)
    }

    fn tops(&self, top: Top) -> Vec<&Span> {
        let tops = self.forest.tops.iter().filter(|(_, is)| *is == top);
        tops.map(|(n, _)| &self.spans[*n]).collect()
    }

    pub fn services(&self) -> BTreeSet<&str> {
        self.spans.iter().map(Span::service).collect()
    }

    /// The nearest SERVER span above `span`.
    pub fn server_of(&self, span: &Span) -> Option<&Span> {
        let above = std::iter::successors(self.parent(span), |above| self.parent(above));
        // Parents that form a loop never end.
        let mut above = above.take(self.spans.len());
        above.find(|above| above.kind == Kind::Server)
    }

    /// The spans by title, for the message of a failure.
    pub fn outline(&self) -> String {
        let mut titles: Vec<String> = self.spans.iter().map(Span::title).collect();
        titles.dedup();
        if titles.len() > OUTLINED {
            let more = format!("and {} more", titles.len() - OUTLINED);
            titles.truncate(OUTLINED);
            titles.push(more);
        }
        format!("{} spans: {}", self.spans.len(), titles.join(", "))
    }

    /// Every span once, each below its parent.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut waiting: Vec<(usize, usize, Option<Top>)> = Vec::new();
        let tops = self.forest.tops.iter().rev();
        waiting.extend(tops.map(|(n, top)| (*n, 0, Some(*top))));
        std::iter::from_fn(move || {
            let (n, depth, top) = waiting.pop()?;
            let below = self.forest.below(n).map(|child| (child, depth + 1, None));
            waiting.extend(below);
            Some(Row {
                span: &self.spans[n],
                depth,
                top,
                is_repeated: self.forest.repeated[n],
            })
        })
    }
}

// === impl Forest ===

impl Forest {
    pub(crate) fn of(spans: &[Span]) -> Self {
        let mut by_id: HashMap<(&str, &str), usize> = HashMap::new();
        let mut forest = Self {
            parents: vec![None; spans.len()],
            children: vec![Vec::new(); spans.len()],
            tops: Vec::new(),
            repeated: vec![false; spans.len()],
        };
        for (n, span) in spans.iter().enumerate() {
            let first = *by_id.entry((&span.trace_id, &span.span_id)).or_insert(n);
            if first != n {
                forest.repeated[first] = true;
                forest.repeated[n] = true;
            }
        }
        for (n, span) in spans.iter().enumerate() {
            let Some(parent) = &span.parent_span_id else {
                forest.tops.push((n, Top::Root));
                continue;
            };
            match by_id.get(&(span.trace_id.as_str(), parent.as_str())) {
                Some(&parent) => {
                    forest.parents[n] = Some(parent);
                    forest.children[parent].push(n);
                }
                None => forest.tops.push((n, Top::Orphan)),
            }
        }
        forest.add_loops();
        forest.tops.sort_unstable_by_key(|(n, _)| *n);
        forest
    }

    /// What no root and no orphan leads to is in a loop of parents, or below one: one span of each loop becomes its top.
    fn add_loops(&mut self) {
        let mut reached = vec![false; self.children.len()];
        for (n, _) in self.tops.clone() {
            self.reach(n, &mut reached);
        }
        for start in 0..self.children.len() {
            if reached[start] {
                continue;
            }
            // Every span here has a parent. Up from one that is below the loop, the first that comes again is in it.
            let mut passed = HashSet::new();
            let mut at = start;
            while let (true, Some(parent)) = (passed.insert(at), self.parents[at]) {
                at = parent;
            }
            self.tops.push((at, Top::Loop));
            self.parents[at] = None;
            self.reach(at, &mut reached);
        }
    }

    fn reach(&self, top: usize, reached: &mut [bool]) {
        let mut waiting = vec![top];
        while let Some(n) = waiting.pop() {
            if !std::mem::replace(&mut reached[n], true) {
                waiting.extend(&self.children[n]);
            }
        }
    }

    /// The children to draw below a span, last first; the top of a loop is drawn once, above.
    pub(crate) fn below(&self, n: usize) -> impl Iterator<Item = usize> {
        let children = self.children[n].iter().rev().copied();
        children.filter(move |child| self.parents[*child] == Some(n))
    }
}
