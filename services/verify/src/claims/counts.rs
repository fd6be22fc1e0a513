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
        let page = Page::parse(
            "```promql\nup\n\nup > 0\n\nup > 1\n```\n",
            Path::new("a.md"),
        );
        artifacts.pages.push(page.unwrap().into());
        let rows = rows(&artifacts);
        let line = |at: usize, outcome| Line {
            name: rows[at].name.clone(),
            query: None,
            outcome,
            after: Duration::ZERO,
        };
        let lines = [
            line(0, Outcome::Failed(String::new())),
            line(1, Outcome::Skipped(String::new())),
        ];
        let counts = Counts::of(&rows, &lines);
        let queries = Count {
            claimed: 3,
            executed: 1,
            failed: 1,
        };
        assert_eq!(counts.0[4], queries);
        assert!(counts.empty().any(|kind| kind == "panels"));
        assert!(counts.to_string().contains("documented queries"));
    }
}
