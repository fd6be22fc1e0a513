//! A drill's page: its front matter is the drill, and its queries are those that the drill runs.

use std::path::Path;

use anyhow::{Context, ensure};
use verify::breaks::Plan;
use verify::claims::Language;
use verify::claims::page::{Page, PageQuery};

/// The headings of a page, in this order.
const HEADINGS: [&str; 4] = ["Break", "See", "Find", "Fix"];
const FOLDER: &str = "docs/drills";

#[derive(Clone, Debug)]
pub struct Drill {
    /// Of the command and of the page.
    pub name: String,
    pub plan: Plan,
    pub page: Page,
}

/// When a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Without a mark: it has an answer while the fault lasts.
    Broken,
    /// `never`: it has no answer while the fault lasts.
    Never,
    /// `after`: it has an answer after the fix, as its backend cannot be asked before.
    After,
}

// === impl Drill ===

impl Drill {
    /// The drills of the index, `docs/drills/README.md`, in its order.
    pub fn all(root: &Path) -> anyhow::Result<Vec<Self>> {
        let folder = root.join(FOLDER);
        let index = Page::read(root, &folder.join("README.md"))?;
        let lines = index.text.lines();
        let listed = lines.filter_map(|line| line.strip_prefix("| [")?.split_once("]("));
        let drill = |(name, _): (&str, &str)| {
            let page = Page::read(root, &folder.join(format!("{name}.md")))?;
            Self::new(page).with_context(|| format!("{FOLDER}/{name}.md"))
        };
        listed.map(drill).collect()
    }

    fn new(page: Page) -> anyhow::Result<Self> {
        let matter = page.front_matter();
        let plan = Plan::parse(matter.context("expected front matter between two lines ---")?)?;
        let headings = page.headings.iter().filter(|(level, _)| *level == 2);
        let headings: Vec<&str> = headings.map(|(_, text)| text.as_str()).collect();
        ensure!(headings == HEADINGS, "expected the headings {HEADINGS:?}");
        Ok(Self {
            name: page.name().to_owned(),
            plan,
            page,
        })
    }

    pub fn queries(&self, when: When) -> impl Iterator<Item = &PageQuery> {
        let queries = self.page.queries.iter();
        queries.filter(move |query| When::of(query) == when)
    }
}

// === impl When ===

impl When {
    fn of(query: &PageQuery) -> Self {
        let has = |mark: &str| query.attributes.iter().any(|one| one == mark);
        match (has("never"), has("after")) {
            (true, _) => Self::Never,
            (_, true) => Self::After,
            _ => Self::Broken,
        }
    }
}

/// What a query needs of the stack: what its block says, and the backend of its language.
pub fn needs(query: &PageQuery) -> impl Iterator<Item = &str> {
    let backend = match query.language {
        Language::PromQl => None,
        Language::LogQl => Some("loki"),
        Language::TraceQl => Some("tempo"),
    };
    query.needs.iter().map(String::as_str).chain(backend)
}

/// What the language asks for.
pub fn signal(language: Language) -> &'static str {
    match language {
        Language::PromQl => "metrics",
        Language::LogQl => "logs",
        Language::TraceQl => "traces",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "---\nbreaks: x\nquiet: 45s\nfix: y\n---\n# A title\n\n## Break\n\n## See\n\n\
                        ```promql needs=loki\nup\n```\n\n```logql after\n{a=\"b\"}\n```\n\n## Find\n\n## Fix\n";

    fn parse(text: &str) -> anyhow::Result<Drill> {
        Drill::new(Page::parse(text, Path::new("docs/drills/x.md"))?)
    }

    #[test]
    fn a_page_is_a_drill_with_its_queries() {
        let drill = parse(PAGE).unwrap();
        assert_eq!(drill.plan.quiet.map(|time| time.as_secs()), Some(45));
        for when in [When::Broken, When::After] {
            let query = drill.queries(when).next().unwrap();
            assert_eq!(needs(query).collect::<Vec<_>>(), ["loki"]);
        }
    }

    #[test]
    fn a_page_with_a_fault_is_an_error() {
        for (from, to) in [
            ("## Find\n", ""),
            ("logql after", "logql later"),
            ("quiet: 45s", "quiet: long"),
            ("quiet: 45s", "quite: 45s"),
            ("quiet: 45s\n", ""),
            ("---\n# A", "# A"),
        ] {
            assert!(parse(&PAGE.replace(from, to)).is_err(), "{from} → {to}");
        }
    }
}
