//! Documentation pages: the queries and commands they tell to type and the addresses they tell to open.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

use super::Language;

#[derive(Clone, Debug, Default)]
pub struct Page {
    /// From the root: `docs/runbooks/ServiceDown.md`.
    pub file: String,
    pub queries: Vec<Documented>,
    /// `http://localhost:8080/api/products`.
    pub addresses: Vec<String>,
    /// Files that it links to, as it writes them.
    pub files: Vec<String>,
    /// What its blocks of shell type.
    pub commands: Vec<Typed>,
    /// The recipes of the justfile that it names.
    pub recipes: BTreeSet<String>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    pub line: usize,
    pub language: Language,
    /// By nature it finds nothing while all is well: `promql fault` behind the fence.
    pub is_of_fault: bool,
    pub text: String,
}

/// A block of shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    pub line: usize,
    pub text: String,
}

/// A fenced block that is being read.
struct Fence<'a> {
    begin: usize,
    /// What stands behind the fence: `promql fault`.
    info: &'a str,
    lines: Vec<&'a str>,
}

// === impl Page ===

impl Page {
    pub fn read(root: &Path, path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let file = path.strip_prefix(root).unwrap_or(path);
        Ok(Self::parse(&file.to_string_lossy(), &text))
    }

    /// Queries stand in fenced blocks marked `promql`, `logql` or `traceql`, an empty line between two of them, and in
    /// tables with a column `query`, whose first column names the backend.
    pub fn parse(file: &str, text: &str) -> Self {
        let mut page = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            ..Self::default()
        };
        let mut fence: Option<Fence<'_>> = None;
        let mut has_queries = false;
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(info) = line.trim_start().strip_prefix("```") {
                fence = match fence.take() {
                    None => Some(Fence {
                        begin: number + 1,
                        info,
                        lines: Vec::new(),
                    }),
                    Some(fence) => {
                        page.add_block(&fence);
                        None
                    }
                };
                continue;
            }
            if let Some(fence) = &mut fence {
                fence.lines.push(line);
                continue;
            }
            let codes = line.split('`').skip(1).step_by(2);
            page.recipes.extend(codes.flat_map(recipes));
            page.addresses.extend(addresses(line));
            page.files.extend(linked_files(line));
            match cells(line) {
                None => has_queries = false,
                Some(cells) if cells.iter().any(|cell| cell.eq_ignore_ascii_case("query")) => {
                    has_queries = true;
                }
                Some(cells) if has_queries => page.add_row(number, &cells),
                Some(_) => {}
            }
        }
        page
    }

    /// Its queries are about something that is broken, which nothing is here: the drill runs them while it is.
    pub fn is_of_drill(&self) -> bool {
        self.file.starts_with("docs/drills/")
    }

    /// It tells what names mean; other pages only use them.
    pub fn is_reference(&self) -> bool {
        let files = [
            "services/telemetry/TELEMETRY.md",
            "collector/README.md",
            "grafana/README.md",
        ];
        files.contains(&self.file.as_str()) || self.file.starts_with("docs/runbooks/")
    }

    fn add_block(&mut self, fence: &Fence<'_>) {
        let mut words = fence.info.split_whitespace();
        let name = words.next().unwrap_or_default();
        let is_of_fault = words.next() == Some("fault");
        let numbered: Vec<(usize, &str)> =
            (fence.begin..).zip(fence.lines.iter().copied()).collect();
        if name == "sh" {
            let lines = fence.lines.iter();
            self.recipes.extend(lines.flat_map(|line| recipes(line)));
            self.commands.push(Typed {
                line: fence.begin,
                text: fence.lines.join("\n"),
            });
        }
        let Some(language) = Language::named(name) else {
            return;
        };
        for chunk in numbered.split(|(_, line)| line.trim().is_empty()) {
            let said: Vec<(usize, &str)> = chunk
                .iter()
                .filter(|(_, line)| !line.trim_start().starts_with('#'))
                .copied()
                .collect();
            if let Some((line, _)) = said.first() {
                let lines: Vec<&str> = said.iter().map(|(_, line)| line.trim()).collect();
                self.queries.push(Documented {
                    line: *line,
                    language,
                    is_of_fault,
                    text: lines.join(" "),
                });
            }
        }
    }

    fn add_row(&mut self, line: usize, cells: &[String]) {
        let Some(language) = cells.first().and_then(|cell| Language::of_backend(cell)) else {
            return;
        };
        for cell in &cells[1..] {
            for code in cell.split('`').skip(1).step_by(2) {
                // A name in a sentence about Loki or Tempo is no query; theirs begin with a selector.
                if language == Language::PromQl || code.starts_with('{') {
                    self.queries.push(Documented {
                        line,
                        language,
                        is_of_fault: false,
                        text: code.to_owned(),
                    });
                }
            }
        }
    }
}

// === impl Typed ===

impl Typed {
    /// It uses recipes, as opposed to programs that only look.
    pub fn is_of_just(&self) -> bool {
        self.text.lines().any(|line| !recipes(line).is_empty())
    }
}

/// The cells of a table's row; `\|` is a bar inside a cell.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let marked = inner.replace("\\|", "\u{1}");
    let cells = marked.split('|');
    Some(
        cells
            .map(|cell| cell.trim().replace('\u{1}', "|"))
            .collect(),
    )
}

/// Addresses of this machine, in angle brackets, brackets of a link, or quotes.
fn addresses(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("http://localhost:") {
        let begun = &rest[at..];
        let end = begun
            .find(|letter: char| letter.is_whitespace() || "<>()`\"'|".contains(letter))
            .unwrap_or(begun.len());
        found.push(begun[..end].trim_end_matches(['.', ',', ';']).to_owned());
        rest = &begun[end..];
    }
    found
}

/// The recipes that commands name: `A=1 just up && just logs tempo`.
fn recipes(code: &str) -> Vec<String> {
    let comment = code.find(" #").unwrap_or(code.len());
    let commands = code[..comment].split(['&', ';']);
    let recipe = commands.filter_map(|command| {
        let mut words = command.split_whitespace();
        let first = words.find(|word| !word.contains('='))?;
        let recipe = words.next().filter(|_| first == "just")?;
        let is_word = recipe.chars().all(|letter| letter.is_ascii_lowercase());
        is_word.then(|| recipe.to_owned())
    });
    recipe.collect()
}

/// Targets of links that are files of the repository.
fn linked_files(line: &str) -> Vec<String> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.starts_with('/'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# A page

See [the drill](../drills/list.md#see), [the web](https://example.org) and <http://localhost:8080/api/products>.

```promql
# requests
sum(rate(
  http_requests_total[1m]))

up
```

```sh
curl http://localhost:1/x
STACK=native just run   # just what it says
```

```logql fault
{job="b"}
```

Type `just trace ID`; just look. `A=1 just drill all && just stop`

| where | query |
|---|---|
| Prometheus | `up` is 1 |
| Loki | `{job="a"}`; not `trace_id` |
| Loki, one | `{a=~".+"} \| trace_id="TRACE_ID"` |

| a | b |
|---|---|
| Loki | `{job="not in a table of queries"}` |
"#;

    #[test]
    fn fenced_blocks_and_tables_give_their_queries() {
        let queries = Page::parse("a.md", TEXT).queries;
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "sum(rate( http_requests_total[1m]))",
                "up",
                r#"{job="b"}"#,
                "up",
                r#"{job="a"}"#,
                r#"{a=~".+"} | trace_id="TRACE_ID""#
            ]
        );
        assert_eq!(queries[0].line, 7);
        assert_eq!(queries[4].language, Language::LogQl);
        let of_fault: Vec<bool> = queries.iter().map(|query| query.is_of_fault).collect();
        assert_eq!(of_fault, [false, false, true, false, false, false]);
    }

    #[test]
    fn blocks_of_shell_and_recipes_are_commands() {
        let page = Page::parse("a.md", TEXT);
        assert_eq!(page.commands.len(), 1);
        assert_eq!(page.commands[0].line, 14);
        assert!(page.commands[0].text.starts_with("curl http://"));
        let recipes: Vec<&str> = page.recipes.iter().map(String::as_str).collect();
        assert_eq!(recipes, ["drill", "run", "stop", "trace"]);
    }

    #[test]
    fn addresses_and_files_are_found_outside_of_blocks() {
        let page = Page::parse("a.md", TEXT);
        assert_eq!(page.addresses, ["http://localhost:8080/api/products"]);
        assert_eq!(page.files, ["../drills/list.md"]);
    }
}
