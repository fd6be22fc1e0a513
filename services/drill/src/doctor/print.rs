//! A line per hop, then the hop to mend.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::Diagnosis;
use super::judge::State;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

pub(super) fn print(diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    for chain in &diagnosis.chains {
        writeln!(out, "{}", chain.name)?;
        for hop in &chain.hops {
            let name = &hop.name;
            match &hop.state {
                State::Holds(evidence) => {
                    writeln!(
                        out,
                        "  {GOOD}ok{GOOD:#}      {name:<44} {DIM}{evidence}{DIM:#}"
                    )?;
                }
                State::Broken { seen, .. } => {
                    writeln!(out, "  {BAD}BROKEN{BAD:#}  {name:<44} {seen}")?;
                }
                State::NotJudged => writeln!(out, "  {DIM}-       {name}{DIM:#}")?,
            }
        }
    }
    writeln!(out)?;
    for hop in diagnosis.broken() {
        if let State::Broken { seen, remedy } = &hop.state {
            writeln!(out, "{BAD}broken{BAD:#}  {}: {seen}", hop.name)?;
            writeln!(out, "remedy  {remedy}")?;
        }
    }
    let after = diagnosis.after.as_secs_f64();
    if diagnosis.broken().next().is_none() {
        writeln!(out, "every hop holds ({after:.1} s)")?;
    }
    Ok(())
}
