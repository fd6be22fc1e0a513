//! Documentation pages: front matter, headings, code blocks, and what the text between them links to.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};

use super::Language;

/// What a block may need of the stack, in `needs=`.
pub const NEEDS: [&str; 5] = ["tempo", "loki", "promtail", "grafana", "processes"];
/// The marks of a query block: its queries find something only during a fault (`fault`); in a drill, they must find
/// nothing during it (`never`), or are asked after the fix (`after`).
const MARKS: [&str; 3] = ["fault", "never", "after"];

#[derive(Clone, Debug, Default)]
pub struct Page {
    /// From the root: `docs/runbooks/ServiceDown.md`.
    pub file: String,
    pub text: String,
    front_matter: Option<String>,
    /// Level and text.
    pub headings: Vec<(usize, String)>,
    pub blocks: Vec<Block>,
    /// Of its blocks and of its tables with a column `query`.
    pub queries: Vec<PageQuery>,
    /// `http://localhost:8080/api/products`.
    pub addresses: Vec<String>,
    /// The files that it links to, as it writes them.
    pub files: Vec<String>,
    /// The recipes of the justfile that it names.
    pub recipes: BTreeSet<String>,
}

/// A fenced code block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Of its first line of code, from 1.
    pub line: usize,
    /// `promql`, `sh`; empty without one.
    pub language: String,
    /// The words behind the language, without `needs=`.
    pub attributes: Vec<String>,
    /// Of `needs=loki,processes`.
    pub needs: Vec<String>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    pub line: usize,
    pub language: Language,
    /// Those of its block.
    pub attributes: Vec<String>,
    pub needs: Vec<String>,
    /// In one line, without comments.
    pub text: String,
}

// === impl Page ===

impl Page {
    pub fn read(root: &Path, path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, path.strip_prefix(root).unwrap_or(path))
    }

    /// `path` is from the root of the repository. A block whose attributes are not known is an error that names the line.
    pub fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let mut page = Self {
            file: path.to_string_lossy().into_owned(),
            text: text.to_owned(),
            ..Self::default()
        };
        let file = page.file.clone();
        let mut lines = (1..).zip(text.lines());
        if text.lines().next() == Some("---") {
            let inner = lines.by_ref().skip(1).map(|(_, line)| line);
            let inner: Vec<&str> = inner.take_while(|line| *line != "---").collect();
            if inner.len() + 2 > text.lines().count() {
                bail!("{file}:1: the front matter has no closing ---");
            }
            page.front_matter = Some(inner.join("\n"));
        }
        let mut is_table_of_queries = false;
        while let Some((number, line)) = lines.next() {
            if let Some(info) = line.trim_start().strip_prefix("```") {
                let code = lines.by_ref().map(|(_, line)| line);
                let code: Vec<&str> = code
                    .take_while(|line| !line.trim_start().starts_with("```"))
                    .collect();
                let block = Block::of(number + 1, info, &code)
                    .with_context(|| format!("{file}:{number}"))?;
                page.add_block(block);
                continue;
            }
            let level = line.bytes().take_while(|byte| *byte == b'#').count();
            if let Some(title) = line[level..].strip_prefix(' ').filter(|_| level > 0) {
                page.headings.push((level, title.to_owned()));
            }
            page.recipes.extend(quoted(line).flat_map(recipes));
            page.addresses.extend(addresses(line));
            page.files.extend(linked_files(line));
            match cells(line) {
                None => is_table_of_queries = false,
                Some(cells) if is_table_of_queries => page.add_row(number, &cells),
                Some(cells) => {
                    is_table_of_queries =
                        cells.iter().any(|cell| cell.eq_ignore_ascii_case("query"));
                }
            }
        }
        Ok(page)
    }

    /// The YAML between two lines `---` at the beginning of the file.
    pub fn front_matter(&self) -> Option<&str> {
        self.front_matter.as_deref()
    }

    /// `slow` of `docs/drills/slow.md`.
    pub fn name(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        name.trim_end_matches(".md")
    }

    /// The blocks of shell.
    pub fn commands(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.language == "sh")
    }

    /// Its queries are about a fault, which is absent here: the drill runs them during the fault.
    pub fn is_drill(&self) -> bool {
        self.file.starts_with("docs/drills/")
    }

    /// It explains what names mean; other pages only use them.
    pub fn is_reference(&self) -> bool {
        let files = [
            "services/telemetry/TELEMETRY.md",
            "collector/README.md",
            "grafana/README.md",
        ];
        files.contains(&self.file.as_str()) || self.file.starts_with("docs/runbooks/")
    }

    /// An empty line separates two queries of a block.
    fn add_block(&mut self, block: Block) {
        if block.language == "sh" {
            self.recipes.extend(block.text.lines().flat_map(recipes));
        }
        if let Some(language) = Language::named(&block.language) {
            let numbered: Vec<(usize, &str)> = (block.line..).zip(block.text.lines()).collect();
            for chunk in numbered.split(|(_, line)| line.trim().is_empty()) {
                let code = chunk.iter().map(|(number, line)| (*number, line.trim()));
                let code = code.filter(|(_, line)| !line.starts_with('#'));
                let (numbers, lines): (Vec<usize>, Vec<&str>) = code.unzip();
                self.queries.extend(numbers.first().map(|line| PageQuery {
                    line: *line,
                    language,
                    attributes: block.attributes.clone(),
                    needs: block.needs.clone(),
                    text: lines.join(" "),
                }));
            }
        }
        self.blocks.push(block);
    }

    /// The first cell names the backend.
    fn add_row(&mut self, line: usize, cells: &[String]) {
        let Some(language) = cells.first().and_then(|cell| Language::of_backend(cell)) else {
            return;
        };
        let codes = cells[1..].iter().flat_map(|cell| quoted(cell));
        // A name in a sentence about Loki or Tempo is not a query; theirs begin with a selector.
        let queries = codes.filter(|code| language == Language::PromQl || code.starts_with('{'));
        self.queries.extend(queries.map(|code| PageQuery {
            line,
            language,
            attributes: Vec::new(),
            needs: Vec::new(),
            text: code.to_owned(),
        }));
    }
}

// === impl Block ===

impl Block {
    fn of(line: usize, info: &str, code: &[&str]) -> anyhow::Result<Self> {
        let mut words = info.split_whitespace();
        let mut block = Self {
            line,
            language: words.next().unwrap_or_default().to_owned(),
            text: code.join("\n"),
            ..Self::default()
        };
        let is_query = Language::named(&block.language).is_some();
        for word in words {
            if let Some(needs) = word.strip_prefix("needs=") {
                block.needs.extend(needs.split(',').map(str::to_owned));
            } else if is_query && !MARKS.contains(&word) {
                bail!("a block is marked {word:?}: expected one of {MARKS:?} or needs=");
            } else {
                block.attributes.push(word.to_owned());
            }
        }
        let mut needs = block.needs.iter();
        if let Some(unknown) = needs.find(|need| !NEEDS.contains(&need.as_str())) {
            bail!("needs={unknown}: expected some of {NEEDS:?}");
        }
        Ok(block)
    }

    /// It runs recipes, which build, start and stop.
    pub fn uses_just(&self) -> bool {
        self.text.lines().any(|line| !recipes(line).is_empty())
    }
}

// === impl PageQuery ===

impl PageQuery {
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|one| one == attribute)
    }
}

/// What is in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of a table's row; `\|` is a bar inside a cell.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let marked = inner.replace("\\|", "\u{1}");
    let cells = marked.split('|').map(str::trim);
    Some(cells.map(|cell| cell.replace('\u{1}', "|")).collect())
}

/// Addresses of this machine, in angle brackets, brackets of a link, or quotes.
fn addresses(line: &str) -> Vec<String> {
    let begins = line.match_indices("http://localhost:");
    let found = begins.map(|(at, _)| {
        let is_end = |letter: char| letter.is_whitespace() || "<>()`\"'|".contains(letter);
        let address = line[at..].split(is_end).next().unwrap_or_default();
        address.trim_end_matches(['.', ',', ';']).to_owned()
    });
    found.collect()
}

/// The recipes that a command line names: `A=1 just up && just logs tempo`.
fn recipes(code: &str) -> Vec<String> {
    let comment = code.find(" #").unwrap_or(code.len());
    let commands = code[..comment].split(['&', ';']);
    let recipe = commands.filter_map(|command| {
        let mut words = command.split_whitespace();
        let program = words.find(|word| !word.contains('='))?;
        let recipe = words.next().filter(|_| program == "just")?;
        let is_word = recipe.chars().all(|letter| letter.is_ascii_lowercase());
        is_word.then(|| recipe.to_owned())
    });
    recipe.collect()
}

/// The targets of links that are files of the repository.
fn linked_files(line: &str) -> impl Iterator<Item = String> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '/']))
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"---
break: {stop: loki}
---
# A page

See [the drill](../drills/list.md#see), [the web](https://example.org) and <http://localhost:8080/api/products>.

```promql
# requests
sum(rate(
  http_requests_total[1m]))

up
```

```sh needs=processes
curl http://localhost:1/x
STACK=native just run   # just what it says
```

```logql fault needs=loki
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

    fn parse(text: &str) -> anyhow::Result<Page> {
        Page::parse(text, Path::new("docs/a.md"))
    }

    #[test]
    fn blocks_and_tables_give_queries_with_line_and_attributes() {
        let queries = parse(TEXT).unwrap().queries;
        let found: Vec<_> = queries
            .iter()
            .map(|one| (one.line, one.text.as_str()))
            .collect();
        let expected = [
            (10, "sum(rate( http_requests_total[1m]))"),
            (13, "up"),
            (22, r#"{job="b"}"#),
            (29, "up"),
            (30, r#"{job="a"}"#),
            (31, r#"{a=~".+"} | trace_id="TRACE_ID""#),
        ];
        assert_eq!(found, expected);
        assert_eq!(queries[4].language, Language::LogQl);
        let of_fault: Vec<bool> = queries.iter().map(|query| query.has("fault")).collect();
        assert_eq!(of_fault, [false, false, true, false, false, false]);
        assert_eq!(queries[2].needs, ["loki"]);
    }

    #[test]
    fn front_matter_headings_commands_and_links_are_read() {
        let page = parse(TEXT).unwrap();
        assert_eq!(page.front_matter(), Some("break: {stop: loki}"));
        assert_eq!(page.headings, [(1, "A page".to_owned())]);
        let commands: Vec<&Block> = page.commands().collect();
        assert_eq!((commands.len(), commands[0].line), (1, 17));
        assert!(commands[0].uses_just() && commands[0].needs == ["processes"]);
        let recipes: Vec<&str> = page.recipes.iter().map(String::as_str).collect();
        assert_eq!(recipes, ["drill", "run", "stop", "trace"]);
        assert_eq!(page.addresses, ["http://localhost:8080/api/products"]);
        assert_eq!(page.files, ["../drills/list.md"]);
    }

    #[test]
    fn an_unknown_attribute_is_an_error_that_names_the_line() {
        for (text, expected) in [
            (
                "x\n```logql later\n```\n",
                "docs/a.md:2: a block is marked \"later\"",
            ),
            ("```sh needs=lokki\n```\n", "docs/a.md:1: needs=lokki"),
            (
                "---\na: 1\n",
                "docs/a.md:1: the front matter has no closing",
            ),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
