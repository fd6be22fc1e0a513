//! A drill's page: the queries that teach it are the queries that the drill runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// The headings of a page, in this order.
pub const HEADINGS: [&str; 4] = ["Break", "See", "Find", "Fix"];

/// The query of one fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub language: Language,
    pub when: When,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    Promql,
    Logql,
    Traceql,
}

/// The second word behind the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// None: it answers while the fault is there.
    Broken,
    /// `never`: it has no answer while the fault is there.
    Never,
    /// `after`: its backend cannot be asked, or has nothing yet, until the fix.
    After,
}

#[derive(Debug, Clone)]
pub struct Page {
    pub path: PathBuf,
    pub title: String,
    pub headings: Vec<String>,
    pub queries: Vec<Query>,
}

// === impl Page ===

impl Page {
    pub fn path(root: &Path, drill: &str) -> PathBuf {
        root.join(format!("docs/drills/{drill}.md"))
    }

    pub fn read(root: &Path, drill: &str) -> anyhow::Result<Self> {
        let path = Self::path(root, drill);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading the page {}", path.display()))?;
        Self::parse(&path, &text).with_context(|| path.display().to_string())
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let mut page = Self {
            path: path.to_owned(),
            title: String::new(),
            headings: Vec::new(),
            queries: Vec::new(),
        };
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(title) = line.strip_prefix("# ") {
                page.title = title.to_owned();
            } else if let Some(heading) = line.strip_prefix("## ") {
                page.headings.push(heading.to_owned());
            } else if let Some(info) = line.strip_prefix("```") {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                page.queries.extend(query(info, &block.join(" "))?);
            }
        }
        ensure!(
            page.headings == HEADINGS,
            "expected the headings {HEADINGS:?}"
        );
        Ok(page)
    }
}

/// `None` for a block in another language, such as `sh`.
fn query(info: &str, text: &str) -> anyhow::Result<Option<Query>> {
    let (language, when) = info.split_once(' ').unwrap_or((info, ""));
    let language = match language {
        "promql" => Language::Promql,
        "logql" => Language::Logql,
        "traceql" => Language::Traceql,
        _ => return Ok(None),
    };
    let when = match when {
        "" => When::Broken,
        "never" => When::Never,
        "after" => When::After,
        other => bail!("a block is marked {other:?}: expected nothing, `never` or `after`"),
    };
    Ok(Some(Query {
        language,
        when,
        text: text.trim().to_owned(),
    }))
}

// === impl Language ===

impl Language {
    pub fn signal(self) -> &'static str {
        match self {
            Self::Promql => "metrics",
            Self::Logql => "logs",
            Self::Traceql => "traces",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A title\n\n## Break\n\n```sh\njust x\n```\n\n## See\n\n```promql\nup\n  == 0\n```\n\n\
                        ```logql after\n{a=\"b\"}\n```\n\n## Find\n\n## Fix\n";

    #[test]
    fn queries_are_taken_with_their_mark_and_commands_are_not() {
        let page = Page::parse(Path::new("x.md"), PAGE).unwrap();
        let told: Vec<_> = page
            .queries
            .iter()
            .map(|q| (q.language, q.when, &*q.text))
            .collect();
        assert_eq!(
            told,
            [
                (Language::Promql, When::Broken, "up   == 0"),
                (Language::Logql, When::After, "{a=\"b\"}")
            ]
        );
    }

    #[test]
    fn a_missing_heading_and_an_unknown_mark_are_refused() {
        let parse = |text: &str| Page::parse(Path::new("x.md"), text);
        assert!(parse(&PAGE.replace("## Find\n", "")).is_err());
        assert!(parse(&PAGE.replace("logql after", "logql later")).is_err());
    }
}
