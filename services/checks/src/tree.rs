//! Golden trees: the picture of `just trace` without times, as text.
//!
//! ```text
//! SERVER POST /api/orders [gateway] http.response.status_code=201
//!   CLIENT shop.order.v1.OrderService/PlaceOrder [gateway]
//! ? CLIENT SELECT orders [order]
//! ```
//! A line is `KIND name [service]`, two spaces deeper for each parent, then `ERROR` if the span failed, `key=value` for
//! attributes that it must have, `>=5s` for its least duration. A tree has exactly its lines, in any order of siblings;
//! a line that begins with `?` may be missing. In a fragment (`has`, `absent`) `*` stands for any text.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, ensure};

const NO_PARENT: &str = "(parent not received)";
/// Differences in one message.
const SHOWN: usize = 6;

/// A span as far as trees are about it.
#[derive(Clone, Debug, Default)]
pub struct Span {
    pub id: String,
    pub parent: Option<String>,
    /// `SERVER POST /api/orders [gateway]`.
    pub title: String,
    pub is_error: bool,
    pub duration: Duration,
    /// As text; `links` has the trace ids that the span links to.
    pub attributes: BTreeMap<String, String>,
}

/// One line of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub depth: usize,
    pub title: String,
    pub is_error: bool,
    pub is_optional: bool,
    pub attributes: Vec<(String, String)>,
    pub least: Option<Duration>,
}

/// Lines from the root to a span.
type Path = Vec<String>;

pub fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<Line> = lines
        .map(|(number, line)| Line::parse(line).with_context(|| format!("line {}", number + 1)))
        .collect::<Result<_, _>>()?;
    let mut above = 0;
    for (index, line) in lines.iter().enumerate() {
        ensure!(
            index == 0 || line.depth <= above + 1,
            "{:?} is too deep",
            line.title
        );
        above = line.depth;
    }
    Ok(lines)
}

/// Whether `spans` are exactly the tree `golden`; the differences otherwise.
pub fn compare(golden: &str, spans: &[Span]) -> Result<String, String> {
    let lines = parse(golden).map_err(|error| format!("{error:#}"))?;
    let mut expected: Vec<(Path, &Line, bool)> = Vec::new();
    for line in &lines {
        let above = expected
            .iter()
            .rev()
            .find(|(path, ..)| path.len() == line.depth);
        let (mut path, below_optional) = match above {
            Some((path, _, is_optional)) if line.depth > 0 => (path.clone(), *is_optional),
            _ => (Vec::new(), false),
        };
        path.push(line.plain());
        expected.push((path, line, below_optional || line.is_optional));
    }
    let mut seen: Vec<(Path, &Span)> = paths(spans);
    let mut missing = Vec::new();
    // Lines that ask for more come first, or a line that asks for nothing would take their span.
    expected.sort_by_key(|(_, line, is_optional)| (*is_optional, line.attributes.is_empty()));
    for (path, line, is_optional) in &expected {
        let same = |(at, _): &&(Path, &Span)| at == path;
        match seen
            .iter()
            .position(|(at, span)| at == path && line.unmet(span).is_none())
        {
            Some(found) => drop(seen.swap_remove(found)),
            None if *is_optional => {}
            None => missing.push(
                match seen
                    .iter()
                    .find(same)
                    .and_then(|(_, span)| line.unmet(span))
                {
                    Some(unmet) => format!("{}: {unmet}", line.title),
                    None => format!("no {}", below(path)),
                },
            ),
        }
    }
    let extra = seen.iter().map(|(path, _)| match path.as_slice() {
        [above, only] if above == NO_PARENT => format!("{only} has no parent here"),
        _ => format!("unexpected {}", below(path)),
    });
    let differences: Vec<String> = missing.into_iter().chain(extra).collect();
    if differences.is_empty() {
        return Ok(format!("{} spans", spans.len()));
    }
    let shown = differences
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ");
    Err(format!(
        "{} differences in {} spans: {shown}",
        differences.len(),
        spans.len()
    ))
}

/// Whether some spans are as `fragment` says, each child directly below its parent.
pub fn has(fragment: &str, spans: &[Span]) -> Result<String, String> {
    let lines = parse(fragment).map_err(|error| format!("{error:#}"))?;
    let mut rest = lines.as_slice();
    while let Some(root) = rest.first() {
        let size = 1 + rest[1..]
            .iter()
            .take_while(|line| line.depth > root.depth)
            .count();
        let candidates: Vec<&Span> = spans
            .iter()
            .filter(|span| matches(&root.title, &span.title))
            .collect();
        if !candidates
            .iter()
            .any(|span| fits(&rest[..size], span, spans))
        {
            let unmet = candidates.iter().find_map(|span| root.unmet(span));
            return Err(match (candidates.is_empty(), unmet) {
                (true, _) => format!("no {}; {}", root.title, outline(spans)),
                (false, Some(unmet)) => format!("{}: {unmet}", root.title),
                (false, None) => {
                    let inner: Vec<&str> = rest[1..size]
                        .iter()
                        .map(|line| line.title.as_str())
                        .collect();
                    format!(
                        "no {} below {}; {}",
                        inner.join(" and "),
                        root.title,
                        outline(spans)
                    )
                }
            });
        }
        rest = &rest[size..];
    }
    Ok(lines
        .iter()
        .map(Line::plain)
        .collect::<Vec<_>>()
        .join(" → "))
}

/// Whether no span is as `line` says.
pub fn absent(line: &str, spans: &[Span]) -> Result<String, String> {
    let line = Line::parse(line).map_err(|error| format!("{error:#}"))?;
    let found = spans
        .iter()
        .find(|span| matches(&line.title, &span.title) && line.unmet(span).is_none());
    match found {
        Some(span) => Err(format!("{} is there", span.line())),
        None => Ok(format!("{} spans, none is {}", spans.len(), line.plain())),
    }
}

/// `*` in `pattern` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

// === impl Line ===

impl Line {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let is_optional = line.trim_start().starts_with("? ");
        let line = if is_optional {
            line.replacen('?', " ", 1)
        } else {
            line.to_owned()
        };
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        ensure!(
            indent.is_multiple_of(2),
            "indented by {indent} spaces, expected two for each level"
        );
        let mut parsed = Self {
            depth: indent / 2,
            title: String::new(),
            is_error: false,
            is_optional,
            attributes: Vec::new(),
            least: None,
        };
        let mut words: Vec<&str> = text.split(' ').collect();
        while let Some(word) = words.pop() {
            if word == "ERROR" {
                parsed.is_error = true;
            } else if let Some(least) = word.strip_prefix(">=") {
                parsed.least = Some(humantime::parse_duration(least)?);
            } else if let Some((key, value)) = word.split_once('=') {
                parsed.attributes.push((key.to_owned(), value.to_owned()));
            } else {
                words.push(word);
                break;
            }
        }
        parsed.title = words.join(" ");
        ensure!(
            parsed.title.ends_with(']') || parsed.title.contains('*'),
            "{text:?} is no `KIND name [service]`"
        );
        Ok(parsed)
    }

    fn plain(&self) -> String {
        with_status(&self.title, self.is_error)
    }

    /// What `span` does not have of this line, apart from the title.
    fn unmet(&self, span: &Span) -> Option<String> {
        if self.is_error != span.is_error {
            return Some(format!(
                "status is {}",
                if span.is_error { "ERROR" } else { "not ERROR" }
            ));
        }
        if let Some(least) = self.least.filter(|least| span.duration < *least) {
            return Some(format!("took {:?} instead of {least:?}", span.duration));
        }
        self.attributes.iter().find_map(|(key, value)| {
            let is = span.attributes.get(key);
            (is != Some(value)).then(|| format!("{key} is {is:?} instead of {value:?}"))
        })
    }
}

/// Whether `span` is as the first line says, and has children as those below it say.
fn fits(lines: &[Line], span: &Span, spans: &[Span]) -> bool {
    let Some((root, below)) = lines.split_first() else {
        return true;
    };
    if !matches(&root.title, &span.title) || root.unmet(span).is_some() {
        return false;
    }
    let starts = below
        .iter()
        .enumerate()
        .filter(|(_, line)| line.depth == root.depth + 1);
    let mut starts = starts.map(|(index, _)| index);
    starts.all(|start| {
        let size = 1 + below[start + 1..]
            .iter()
            .take_while(|line| line.depth > root.depth + 1)
            .count();
        let mut children = spans
            .iter()
            .filter(|child| child.parent.as_ref() == Some(&span.id));
        children.any(|child| fits(&below[start..start + size], child, spans))
    })
}

/// Each span with its path. Spans whose parents form a loop have none that ends; they are cut at their first repetition.
fn paths(spans: &[Span]) -> Vec<(Path, &Span)> {
    let by_id: HashMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let path = |span: &Span| {
        let mut path = vec![span.line()];
        let mut at = span;
        while let Some(parent) = &at.parent {
            match by_id.get(parent.as_str()) {
                Some(above) if path.len() < spans.len() => at = above,
                Some(_) => {
                    path.push("(parents form a loop)".to_owned());
                    break;
                }
                None => {
                    path.push(NO_PARENT.to_owned());
                    break;
                }
            }
            path.push(at.line());
        }
        path.reverse();
        path
    };
    spans.iter().map(|span| (path(span), span)).collect()
}

fn below(path: &[String]) -> String {
    match path {
        [.., above, last] => format!("{last} below {above}"),
        [only] => format!("{only} at the root"),
        [] => String::new(),
    }
}

fn with_status(title: &str, is_error: bool) -> String {
    format!("{title}{}", if is_error { " ERROR" } else { "" })
}

fn outline(spans: &[Span]) -> String {
    let titles: Vec<String> = spans.iter().map(Span::line).collect();
    format!("{} spans: {}", spans.len(), titles.join(", "))
}

// === impl Span ===

impl Span {
    fn line(&self) -> String {
        with_status(&self.title, self.is_error)
    }
}

impl From<&telemetry_testing::Span> for Span {
    fn from(span: &telemetry_testing::Span) -> Self {
        let texts = span
            .attributes
            .0
            .iter()
            .filter_map(|(key, _)| Some((key.clone(), span.attribute(key)?)));
        let mut attributes: BTreeMap<String, String> = texts.collect();
        let links: Vec<&str> = span
            .links
            .iter()
            .map(|link| link.trace_id.as_str())
            .collect();
        attributes.insert("links".to_owned(), links.join(","));
        Self {
            id: span.span_id.clone(),
            parent: span.parent_span_id.clone(),
            title: span.title(),
            is_error: span.is_error(),
            duration: span.duration(),
            attributes,
        }
    }
}
