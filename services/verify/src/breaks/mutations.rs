//! `checks/mutations.yaml`: what is changed, which rows must fail with which word, and which must still pass.
//!
//! Changed files are judged against the stack that runs; a fault acts on an isolated stack.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use stack::Instance;
use tokio::runtime::Runtime;

use super::{Bench, Broken, Fault, Overlay, Replacement};
use crate::report::{Line, Outcome, Report};
use crate::run::{self, Patience};
use crate::target::Target;

const FILE: &str = "checks/mutations.yaml";
const RULE_TESTS: &str = "grafana/prometheus/tests";
/// A failed row waits all of this; a passed one needs an export interval, a flush and a rule evaluation.
const PATIENCE: Patience = Patience {
    gate: Duration::from_secs(3),
    baseline: Duration::from_secs(30),
    arrival: Duration::from_secs(12),
    closing: Duration::from_secs(6),
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    pub name: String,
    #[serde(default)]
    files: Vec<Replacement>,
    #[serde(default)]
    pub fault: Fault,
    /// By row, a word of its message. A `*` in the row's name stands for any text.
    #[serde(default)]
    red: BTreeMap<String, String>,
    /// A verifier that always fails would prove nothing either.
    #[serde(default)]
    green: Vec<String>,
    /// Components without which it is skipped.
    #[serde(default)]
    needs: Vec<String>,
    /// The hop that `just doctor` names, and no other; an empty text for none.
    pub doctor: Option<String>,
}

/// All mutations, in the order of the file.
pub fn mutations(root: &Path) -> anyhow::Result<Vec<Mutation>> {
    let text =
        std::fs::read_to_string(root.join(FILE)).with_context(|| format!("reading {FILE}"))?;
    yaml_serde::from_str(&text).context(FILE)
}

/// Applies each mutation and reports whether the rows changed as they should.
pub fn rows<W: Write>(
    instance: &Instance,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let root = stack::repository_root(&std::env::current_dir()?)?;
    let all = mutations(&root)?;
    let (files, faults): (Vec<_>, Vec<_>) = all.iter().partition(|one| !one.files.is_empty());
    report.say("\nchanged copies of the shipped files: these rows must fail")?;
    if let Err(error) = of_files(&root, instance, &files, runtime, report) {
        report.add(line(
            "changed files can be judged",
            Outcome::Failed(format!("{error:#}")),
        ))?;
    }
    report.say("\nfaults of an isolated stack: these rows must fail, and others must not")?;
    let missing = instance.missing_tools()?;
    let outcome = if missing.is_empty() {
        let faults = faults
            .into_iter()
            .filter(|one| !one.red.is_empty() || !one.green.is_empty());
        match of_faults(&root, faults, runtime, report) {
            Ok(()) => return Ok(()),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    } else {
        Outcome::Skipped(format!(
            "no native {}: faults of an isolated stack",
            missing.join(", ")
        ))
    };
    Ok(report.add(line("an isolated stack runs and can be broken", outcome))?)
}

/// All changes in one copy, judged by one run.
fn of_files<W: Write>(
    root: &Path,
    instance: &Instance,
    mutations: &[&Mutation],
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    let copy = root.join(".stack/changed");
    let replacements = mutations.iter().flat_map(|one| &one.files);
    let copy = Overlay::new(root, &copy, replacements, unneeded_tests(root, mutations)?)?;
    let lines = judged(&Target::of(copy.root(), instance)?, mutations, runtime)?;
    for mutation in mutations {
        for (row, word) in &mutation.red {
            let (outcome, after) = expect_red(&lines, row, word);
            let name = format!("told: {}", mutation.name);
            report.add(Line {
                after,
                ..line(&name, outcome)
            })?;
        }
    }
    Ok(())
}

/// The tests of the rules that no mutation is about: they take minutes.
fn unneeded_tests(root: &Path, mutations: &[&Mutation]) -> anyhow::Result<Vec<PathBuf>> {
    let rows = || mutations.iter().flat_map(|one| one.red.keys());
    let alerts: Vec<&str> = rows()
        .filter_map(|row| {
            row.strip_prefix("alert ")?
                .split_once(" fires and stays quiet")
        })
        .map(|(alert, _)| alert)
        .collect();
    let mut unneeded = Vec::new();
    for entry in std::fs::read_dir(root.join(RULE_TESTS))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        if !alerts.iter().any(|alert| text.contains(alert)) {
            unneeded.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(unneeded)
}

fn of_faults<'a, W: Write>(
    root: &Path,
    mutations: impl Iterator<Item = &'a Mutation>,
    runtime: &Runtime,
    report: &mut Report<W>,
) -> anyhow::Result<()> {
    // The archive in place of Tempo starts and stops in seconds.
    let bench = Bench::new(root, &root.join(".stack/mutations"), runtime.handle())?;
    let bench = bench.with("TEMPO_BIN", "none");
    let run = || {
        let instance = bench.instance()?;
        instance.run()?;
        for mutation in mutations {
            if let Some(missing) = mutation.needs.iter().find(|need| !instance.has(need)) {
                for line in mutation.judge(&mutation.skipped(missing)) {
                    report.add(line)?;
                }
                continue;
            }
            let broken = Broken::apply(&bench, &mutation.fault).context(mutation.name.clone())?;
            let target = Target::of(root, &bench.instance()?)?;
            for line in mutation.judge(&judged(&target, &[mutation], runtime)?) {
                report.add(line)?;
            }
            broken.restore(&bench).context(mutation.name.clone())?;
        }
        Ok(())
    };
    let done = run();
    bench.forget()?;
    done
}

/// The lines of one run that judges the rows which the mutations name.
fn judged(
    target: &Target,
    mutations: &[&Mutation],
    runtime: &Runtime,
) -> anyhow::Result<Vec<Line>> {
    let mut inner = Report::new(std::io::sink());
    let is_named = |name: &str| mutations.iter().any(|one| one.names(name));
    let run = run::run(target, PATIENCE, |row| is_named(&row.name), &mut inner);
    runtime.block_on(run)?;
    Ok(inner.lines().to_vec())
}

// === impl Mutation ===

impl Mutation {
    fn names(&self, row: &str) -> bool {
        let mut all = self.red.keys().chain(&self.green);
        all.any(|pattern| matches(pattern, row))
    }

    /// Its rows, none of them asked.
    fn skipped(&self, missing: &str) -> Vec<Line> {
        let rows = self.red.keys().chain(&self.green);
        let skipped = Outcome::Skipped(format!("no {missing}"));
        rows.map(|row| line(row, skipped.clone())).collect()
    }

    fn judge(&self, lines: &[Line]) -> Vec<Line> {
        let red = self
            .red
            .iter()
            .map(|(row, word)| ("red", row, expect_red(lines, row, word)));
        let green = self
            .green
            .iter()
            .map(|row| ("green", row, expect_green(lines, row)));
        red.chain(green)
            .map(|(colour, row, (outcome, after))| Line {
                after,
                ..line(&format!("{}, {colour}: {row}", self.name), outcome)
            })
            .collect()
    }
}

fn expect_red(lines: &[Line], row: &str, word: &str) -> (Outcome, Duration) {
    expect(lines, row, |outcome| match outcome {
        Outcome::Failed(state) if state.contains(word) => Outcome::Passed(state.clone()),
        Outcome::Failed(state) => Outcome::Failed(format!("fails without {word:?}: {state}")),
        other => Outcome::Failed(format!("should fail: {other:?}")),
    })
}

fn expect_green(lines: &[Line], row: &str) -> (Outcome, Duration) {
    expect(lines, row, |outcome| match outcome {
        Outcome::Passed(evidence) => Outcome::Passed(evidence.clone()),
        other => Outcome::Failed(format!("should pass: {other:?}")),
    })
}

fn expect(lines: &[Line], row: &str, judge: impl Fn(&Outcome) -> Outcome) -> (Outcome, Duration) {
    match lines.iter().find(|line| matches(row, &line.name)) {
        // It cannot be asked here, changed or not.
        Some(Line {
            outcome: Outcome::Skipped(missing),
            ..
        }) => (Outcome::Skipped(missing.clone()), Duration::ZERO),
        Some(line) => (judge(&line.outcome), line.after),
        None => {
            let last = lines
                .last()
                .map(|line| format!("{}: {:?}", line.name, line.outcome));
            let state = format!("{row} was not judged; the last row was {last:?}");
            (Outcome::Failed(state), Duration::ZERO)
        }
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => name
            .strip_prefix(begin)
            .is_some_and(|rest| rest.ends_with(end)),
        None => pattern == name,
    }
}

fn line(name: &str, outcome: Outcome) -> Line {
    Line {
        name: name.to_owned(),
        query: None,
        outcome,
        after: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(outcome: Outcome) -> Vec<Line> {
        vec![line("README.md:7 up", outcome)]
    }

    #[test]
    fn a_row_that_passes_or_fails_with_another_word_is_no_proof() {
        let red = |outcome| expect_red(&judged(outcome), "README.md:* up", "no answer").0;
        assert!(matches!(
            red(Outcome::Failed("x: no answer".into())),
            Outcome::Passed(_)
        ));
        assert!(matches!(
            red(Outcome::Failed("503".into())),
            Outcome::Failed(_)
        ));
        assert!(matches!(
            red(Outcome::Passed(String::new())),
            Outcome::Failed(_)
        ));
        assert!(matches!(
            red(Outcome::Skipped("no loki".into())),
            Outcome::Skipped(_)
        ));
        assert!(matches!(expect_red(&[], "up", "").0, Outcome::Failed(_)));
        let green = expect_green(&judged(Outcome::Failed(String::new())), "README.md:7 up");
        assert!(matches!(green.0, Outcome::Failed(_)));
    }

    #[test]
    fn every_mutation_of_the_file_changes_the_shipped_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let all = mutations(&root).unwrap();
        let topology = stack::Topology::read(&root).unwrap();
        let home = tempfile::tempdir().unwrap();
        for one in &all {
            let is_judged = one.doctor.is_some() || !one.red.is_empty() || !one.green.is_empty();
            assert!(is_judged, "{}: nothing is expected", one.name);
            let needs = one.needs.iter().map(String::as_str);
            for name in one.fault.components().into_iter().chain(needs) {
                assert!(topology.component(name).is_ok(), "{}: {name}", one.name);
            }
            if let Some(addition) = &one.fault.collector {
                let copy = Overlay::with_collector(&root, home.path(), addition).unwrap();
                let path = copy.root().join("collector/config.yaml");
                let config: yaml_serde::Value =
                    yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
                // Processors that a pipeline names exist: a misspelt one would stop the Collector.
                for pipeline in config["service"]["pipelines"]
                    .as_mapping()
                    .unwrap()
                    .values()
                {
                    for name in pipeline["processors"].as_sequence().unwrap() {
                        assert!(
                            config["processors"].get(name).is_some(),
                            "{}: {name:?}",
                            one.name
                        );
                    }
                }
            }
        }
        let copy = Overlay::new(
            &root,
            home.path(),
            all.iter().flat_map(|one| &one.files),
            vec!["README.ja.md".into()],
        )
        .unwrap();
        for changed in all.iter().flat_map(|one| &one.files) {
            let text = std::fs::read_to_string(copy.root().join(&changed.path)).unwrap();
            assert!(text.contains(&changed.by), "{changed:?}");
        }
        assert!(copy.root().join("ARCHITECTURE.md").is_symlink());
        assert!(!copy.root().join("README.ja.md").exists());
    }
}
