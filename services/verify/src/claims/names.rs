//! The metrics, labels and attributes that a query names. Prometheus parses PromQL; LogQL and TraceQL are split here.

use std::collections::BTreeSet;

use regex::Regex;
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
        let parts = ["expr", "lhs", "rhs", "param"].map(|part| &node[part]);
        let arguments = node["args"].as_array().into_iter().flatten();
        let parts = parts.into_iter().chain(arguments);
        parts
            .filter(|part| part.is_object())
            .for_each(|part| self.walk(part));
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
    let matchers =
        matchers.map(|one| (text(&one["name"]), text(&one["type"]), text(&one["value"])));
    Selector {
        metric: text(&node["name"]),
        matchers: matchers
            .filter(|(label, op, _)| label != "__name__" || op == "=~")
            .collect(),
    }
}

// === impl Selector ===

impl Selector {
    /// As PromQL.
    pub(super) fn text(&self) -> String {
        let matchers = self.matchers.iter();
        let matchers = matchers.map(|(label, op, value)| format!("{label}{op}{value:?}"));
        let matchers: Vec<String> = matchers.collect();
        format!("{}{{{}}}", self.metric, matchers.join(", "))
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

/// Names (with dots and colons), operators and brackets; a text in quotes becomes an empty token.
fn tokens(query: &str) -> Vec<String> {
    const TOKEN: &str =
        r#""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[\w.][\w.:]*|[=!><|&][=~><|&]?|\S"#;
    let is_text = |token: &str| token.len() > 1 && token.starts_with(['"', '\'', '`']);
    let pattern = Regex::new(TOKEN);
    let tokens = pattern.iter().flat_map(|pattern| pattern.find_iter(query));
    let tokens = tokens.map(|found| found.as_str());
    tokens
        .map(|token| if is_text(token) { "" } else { token }.to_owned())
        .collect()
}

/// Whether `word` is in `text` as a word: `up` is not in `group_up`.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_tree_gives_selectors_groupings_and_what_the_query_makes() {
        let up = json!({"type": "vectorSelector", "name": "up", "matchers": [
            {"name": "lane", "type": "=", "value": "otlp"}, {"name": "__name__", "type": "=", "value": "up"}]});
        let text = |text: &str| json!({"type": "stringLiteral", "val": text});
        let call = json!({"type": "call", "func": {"name": "label_replace"},
            "args": [up, text("new"), text("$1"), text("old"), text("(.*)")]});
        let tree = json!({"type": "binaryExpr", "op": "or", "matching": {"labels": ["job"], "include": []},
            "lhs": {"type": "aggregation", "grouping": ["le"], "param": null, "expr": call},
            "rhs": {"type": "numberLiteral", "val": "0"}});
        let names = PromQl::of(&tree);
        assert_eq!(names.selectors[0].text(), "up{lane=\"otlp\"}");
        assert_eq!(names.labels, set(&["job", "le", "old"]));
        assert_eq!(names.made, set(&["new"]));
    }

    #[test]
    fn logql_and_traceql_names_are_those_that_are_compared_or_grouped_by() {
        let query = r#"sum by (level, b) (count_over_time({lane="otlp",job=~"a|b"} |= "x=1" | c="ab" | d!="INFO" [5m]))"#;
        assert_eq!(logql(query), set(&["b", "c", "d", "job", "lane", "level"]));
        // What a parser takes out of a line is not asked for.
        let query = r#"{lane="file"} | json | event_name="a""#;
        assert_eq!(logql(query), set(&["lane"]));
        let query = r#"{ resource.a.b = "a.b" && span.c =~ "/x\"y" && kind = server } >> { duration > 5s } | rate() by (.d.e)"#;
        let named = [".d.e", "duration", "kind", "resource.a.b", "span.c"];
        assert_eq!(traceql(query), set(&named));
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        assert!(has_word("sum(up)", "up") && !has_word("group_up", "up"));
        assert!(!has_word("ups", "up") && has_word("a:b", "a:b"));
    }
}
