//! The metrics, labels and attributes that a query names.

use std::collections::BTreeSet;

use serde_json::Value;

/// One selector of a PromQL query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    /// Empty where a pattern selects by `__name__`.
    pub metric: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
}

/// What a PromQL query names, from the tree that Prometheus itself makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PromQl {
    pub selectors: Vec<Selector>,
    /// Labels that are grouped by or matched on.
    pub labels: BTreeSet<String>,
    /// Labels that the query makes itself.
    pub made: BTreeSet<String>,
}

// === impl PromQl ===

impl PromQl {
    pub(super) fn of(tree: &Value) -> Self {
        let mut names = Self::default();
        names.walk(tree);
        names
    }

    fn walk(&mut self, node: &Value) {
        match node["type"].as_str().unwrap_or_default() {
            "vectorSelector" | "matrixSelector" => self.selectors.push(selector(node)),
            "aggregation" => self.labels.extend(words(&node["grouping"])),
            "binaryExpr" => {
                self.labels.extend(words(&node["matching"]["labels"]));
                self.labels.extend(words(&node["matching"]["include"]));
            }
            "call" => self.call(node),
            _ => {}
        }
        for part in ["expr", "lhs", "rhs", "param"] {
            self.walk_part(&node[part]);
        }
        for argument in node["args"].as_array().into_iter().flatten() {
            self.walk_part(argument);
        }
    }

    fn walk_part(&mut self, node: &Value) {
        if node.is_object() {
            self.walk(node);
        }
    }

    fn call(&mut self, node: &Value) {
        let argument = |at: usize| {
            let text = node["args"][at]["val"].as_str();
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        match node["func"]["name"].as_str().unwrap_or_default() {
            "label_replace" => {
                self.made.extend(argument(1));
                self.labels.extend(argument(3));
            }
            "label_join" => {
                self.made.extend(argument(1));
                self.labels.extend((3..).map_while(argument));
            }
            _ => {}
        }
    }
}

fn selector(node: &Value) -> Selector {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let matchers = node["matchers"].as_array().into_iter().flatten();
    Selector {
        metric: text(&node["name"]),
        matchers: matchers
            .map(|matcher| {
                (
                    text(&matcher["name"]),
                    text(&matcher["type"]),
                    text(&matcher["value"]),
                )
            })
            .filter(|(label, op, _)| label != "__name__" || op == "=~")
            .collect(),
    }
}

fn words(value: &Value) -> impl Iterator<Item = String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|word| word.as_str().map(str::to_owned))
}

/// The labels and metadata keys of a LogQL query, without those that the query makes itself.
pub(super) fn logql(query: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut made = BTreeSet::from(["__error__".to_owned(), "__error_details__".to_owned()]);
    // What a parser takes out of the line is known from the line only.
    let mut is_parsed = false;
    let words = tokens(query);
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        let before = at.checked_sub(1).map_or("", |at| words[at].as_str());
        match word.as_str() {
            "json" | "logfmt" | "pattern" | "regexp" | "unpack" if before == "|" => {
                is_parsed = true;
            }
            "by" | "without" | "on" | "ignoring" if next == "(" => {
                let inside = words[at + 2..].iter().take_while(|word| *word != ")");
                named.extend(inside.filter(|word| is_name(word)).cloned());
            }
            "unwrap" => drop(named.insert(next.to_owned())),
            word if is_name(word) && COMPARISONS.contains(&next) => {
                if before == "label_format" || before == "," && next == "=" && is_parsed {
                    made.insert(word.to_owned());
                } else if !is_parsed || before == "{" {
                    named.insert(word.to_owned());
                }
            }
            _ => {}
        }
    }
    named.difference(&made).cloned().collect()
}

/// The attributes of a TraceQL query, with their scope: `span.http.route`, `resource.service.name`, `name`.
pub(super) fn traceql(query: &str) -> BTreeSet<String> {
    let words = tokens(query);
    let is_scoped = |word: &str| {
        word.starts_with("span.") || word.starts_with("resource.") || word.starts_with('.')
    };
    words
        .iter()
        .enumerate()
        .filter(|(at, word)| {
            let next = words.get(at + 1).map_or("", String::as_str);
            is_scoped(word) || (is_name(word) && COMPARISONS.contains(&next))
        })
        .map(|(_, word)| word.clone())
        .collect()
}

const COMPARISONS: [&str; 9] = ["=", "!=", "=~", "!~", ">", "<", ">=", "<=", "=="];

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Names (with dots and colons), operators and brackets; texts in quotes become one empty token.
fn tokens(query: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '`' | '\'' => quoted(rest, first),
            first if first.is_alphanumeric() || first == '_' || first == '.' => {
                let is_part = |c: char| c.is_alphanumeric() || "_.:".contains(c);
                rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())
            }
            '=' | '!' | '>' | '<' | '|' | '&' => {
                let is_part = |c: char| "=~><|&".contains(c);
                let after = rest[1..].chars().next().is_some_and(is_part);
                1 + usize::from(after)
            }
            other => other.len_utf8(),
        };
        let token = &rest[..length];
        tokens.push(if first == '"' || first == '`' || first == '\'' {
            String::new()
        } else {
            token.to_owned()
        });
        rest = rest[length..].trim_start();
    }
    tokens
}

/// How long the text in quotes at the start of `rest` is.
fn quoted(rest: &str, mark: char) -> usize {
    let mut is_escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if letter == mark && !is_escaped {
            return at + 1;
        }
        is_escaped = letter == '\\' && mark != '`' && !is_escaped;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tree_gives_selectors_groupings_and_what_the_query_makes() {
        let tree = json!({"type": "binaryExpr", "op": "or", "matching": {"labels": ["job"], "include": []},
            "lhs": {"type": "aggregation", "grouping": ["le"], "param": null, "expr": {"type": "call", "func": {"name": "label_replace"}, "args": [
                {"type": "vectorSelector", "name": "up", "matchers": [
                    {"name": "lane", "type": "=", "value": "otlp"}, {"name": "__name__", "type": "=", "value": "up"}]},
                {"type": "stringLiteral", "val": "new"}, {"type": "stringLiteral", "val": "$1"},
                {"type": "stringLiteral", "val": "old"}, {"type": "stringLiteral", "val": "(.*)"}]}},
            "rhs": {"type": "call", "func": {"name": "vector"}, "args": [{"type": "numberLiteral", "val": "0"}]}});
        let names = PromQl::of(&tree);
        assert_eq!(names.selectors[0].metric, "up");
        assert_eq!(
            names.selectors[0].matchers,
            [("lane".to_owned(), "=".to_owned(), "otlp".to_owned())]
        );
        assert_eq!(
            names.labels,
            BTreeSet::from(["job", "le", "old"].map(str::to_owned))
        );
        assert!(names.made.contains("new"));
    }

    #[test]
    fn logql_names_are_those_that_are_compared_or_grouped_by() {
        let named = logql(
            r#"sum by (level, service_name) (count_over_time({lane="otlp",job=~"a|b"} |= "x=1" | trace_id="ab" | severity_text!="INFO" [5m]))"#,
        );
        let expected = [
            "job",
            "lane",
            "level",
            "service_name",
            "severity_text",
            "trace_id",
        ];
        assert_eq!(named, BTreeSet::from(expected.map(str::to_owned)));
    }

    #[test]
    fn what_a_parser_takes_out_of_a_line_is_not_asked_for() {
        let named = logql(r#"{lane="file"} | json | event_name="a""#);
        assert_eq!(named, BTreeSet::from(["lane".to_owned()]));
    }

    #[test]
    fn traceql_names_have_their_scope() {
        let named = traceql(
            r#"{ resource.service.name = "a.b" && span.http.route =~ "/x" && kind = server } >> { status = error && duration > 5s } | rate() by (.shop.fault)"#,
        );
        let expected = [
            ".shop.fault",
            "duration",
            "kind",
            "resource.service.name",
            "span.http.route",
            "status",
        ];
        assert_eq!(named, BTreeSet::from(expected.map(str::to_owned)));
    }
}
