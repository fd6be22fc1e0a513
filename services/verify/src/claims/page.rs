//! Documentation pages: the queries they tell to type and the addresses they tell to open.

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
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    pub line: usize,
    pub language: Language,
    pub text: String,
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
        let mut fence: Option<(usize, Option<Language>, Vec<&str>)> = None;
        let mut has_queries = false;
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(word) = line.trim_start().strip_prefix("```") {
                fence = match fence.take() {
                    None => Some((number + 1, Language::named(word.trim()), Vec::new())),
                    Some((begin, Some(language), lines)) => {
                        page.add_block(begin, language, &lines);
                        None
                    }
                    Some(_) => None,
                };
                continue;
            }
            if let Some((_, _, lines)) = &mut fence {
                lines.push(line);
                continue;
            }
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

    /// Its queries are about something that is broken, which nothing is while they are run.
    pub fn is_of_faults(&self) -> bool {
        self.file.starts_with("docs/runbooks/") || self.file.starts_with("docs/drills/")
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

    fn add_block(&mut self, begin: usize, language: Language, lines: &[&str]) {
        let numbered: Vec<(usize, &str)> = (begin..).zip(lines.iter().copied()).collect();
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
                        text: code.to_owned(),
                    });
                }
            }
        }
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
```

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
                "up",
                r#"{job="a"}"#,
                r#"{a=~".+"} | trace_id="TRACE_ID""#
            ]
        );
        assert_eq!(queries[0].line, 7);
        assert_eq!(queries[3].language, Language::LogQl);
    }

    #[test]
    fn addresses_and_files_are_found_outside_of_blocks() {
        let page = Page::parse("a.md", TEXT);
        assert_eq!(page.addresses, ["http://localhost:8080/api/products"]);
        assert_eq!(page.files, ["../drills/list.md"]);
    }
}
