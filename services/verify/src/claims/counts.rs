//! How many claims of each kind there are, and how many were judged.

use std::fmt;

use super::list::KINDS;
use crate::claim::{Claim, Row};
use crate::report::{Line, Outcome};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([Count; KINDS.len()]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    claimed: usize,
    executed: usize,
    failed: usize,
}

// === impl Counts ===

impl Counts {
    /// `rows` are the claims, `lines` the verdicts; they are matched by name.
    pub fn of(rows: &[Row], lines: &[Line]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let Claim::Shipped(claim) = &row.claim else {
                continue;
            };
            let counted = KINDS.iter().zip(&mut counts.0);
            for (_, count) in counted.filter(|(kind, _)| **kind == claim.kind) {
                count.claimed += 1;
                let line = lines.iter().find(|line| line.name == row.name);
                match line.map(|line| &line.outcome) {
                    None | Some(Outcome::Skipped(_)) => {}
                    Some(Outcome::Passed(_)) => count.executed += 1,
                    Some(Outcome::Failed(_)) => {
                        count.executed += 1;
                        count.failed += 1;
                    }
                }
            }
        }
        counts
    }

    /// The kinds without a claim.
    pub fn empty(&self) -> impl Iterator<Item = &'static str> {
        let counted = KINDS.iter().zip(&self.0);
        counted.filter_map(|(kind, count)| (count.claimed == 0).then_some(*kind))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20} claimed  executed  failed", "what is shipped")?;
        for (kind, count) in KINDS.iter().zip(&self.0) {
            let Count {
                claimed,
                executed,
                failed,
            } = count;
            writeln!(f, "  {kind:<18} {claimed:>7}  {executed:>8}  {failed:>6}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Artifacts, Page, rows};
    use std::path::Path;
    use std::time::Duration;

    #[test]
    fn a_skipped_claim_is_not_executed_and_a_failed_one_is() {
        let mut artifacts = Artifacts::default();
        let page = Page::parse("```promql\na\n\nb\n\nc\n```\n", Path::new("a.md"));
        artifacts.pages.push(page.unwrap().into());
        let rows = rows(&artifacts);
        let outcomes = [
            Outcome::Failed(String::new()),
            Outcome::Skipped(String::new()),
        ];
        let lines: Vec<Line> = (rows.iter().zip(outcomes))
            .map(|(row, outcome)| Line {
                name: row.name.clone(),
                query: None,
                outcome,
                after: Duration::ZERO,
            })
            .collect();
        let counts = Counts::of(&rows, &lines);
        let Count {
            claimed,
            executed,
            failed,
        } = counts.0[4];
        assert_eq!((claimed, executed, failed), (3, 1, 1));
        assert!(counts.empty().any(|kind| kind == "panels"));
    }
}
