//! The README in two languages: the same structure, commands and addresses, so that neither can fall behind.

use crate::repository::read;

const LANGUAGES: [&str; 2] = ["README.md", "README.ja.md"];

fn both(facts: impl Fn(&str) -> Vec<String>) {
    let [english, japanese] = LANGUAGES.map(|file| facts(&read(file)));
    assert!(!english.is_empty());
    for (place, (one, other)) in english.iter().zip(&japanese).enumerate() {
        assert_eq!(one, other, "number {place} of {LANGUAGES:?}");
    }
    assert_eq!(english.len(), japanese.len(), "of {LANGUAGES:?}");
}

/// Every second piece is inside the marks.
fn between(text: &str, mark: &str) -> Vec<String> {
    text.split(mark)
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn both_have_the_same_headings_and_tables_in_the_same_order() {
    both(|text| {
        let lines = text.lines();
        let shapes = lines.filter_map(|line| match line {
            _ if line.starts_with('#') => Some(line.split(' ').next()?.to_owned()),
            // A pipe inside a query is escaped.
            _ if line.starts_with('|') => Some(format!(
                "row of {}",
                line.replace("\\|", "").matches('|').count()
            )),
            _ if line.starts_with("- ") => Some("item".to_owned()),
            _ => None,
        });
        shapes.collect()
    });
}

#[test]
fn both_have_the_same_blocks() {
    both(|text| between(text, "```"));
}

#[test]
fn both_name_the_same_commands_queries_and_files() {
    both(|text| {
        let prose: String = text.split("```").step_by(2).collect();
        let mut lines = Vec::new();
        for line in prose.lines() {
            // Another grammar, another order within a sentence.
            let mut names = between(line, "`");
            names.sort();
            lines.extend(names);
        }
        lines
    });
}

#[test]
fn both_have_the_same_addresses() {
    both(|text| {
        let starts = text.match_indices("http").map(|(at, _)| &text[at..]);
        let ends = |c: char| c.is_whitespace() || ">)]`、。".contains(c);
        let addresses =
            starts.filter(|rest| rest.starts_with("http://") || rest.starts_with("https://"));
        addresses
            .map(|rest| rest.split(ends).next().unwrap().to_owned())
            .collect()
    });
}
