//! `just doctor`: one marked order, followed hop by hop to the first one that does not hold.
//!
//! `facts` asks everything that can be asked about the order, `judge` decides from that alone, and `check` breaks a
//! stack of its own to see that the right hop is named.

mod ask;
pub mod check;
mod facts;
mod judge;
mod print;

use std::io::Write;
use std::time::{Duration, Instant};

use stack::Instance;

pub use ask::Doctor;
pub use facts::{Facts, Flow, Running, SERVICES, Signal};
pub use judge::{Chain, Hop, State, judge};

use crate::place::Place;

/// Metrics leave once an interval (5 s) and a new series of the connectors one later; the rest is slack for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);

/// What was found, in the order of the way.
#[derive(Debug)]
pub struct Diagnosis {
    pub chains: Vec<Chain>,
    pub after: Duration,
}

impl Diagnosis {
    /// The first broken hop of each chain.
    pub fn broken(&self) -> impl Iterator<Item = &Hop> {
        self.chains
            .iter()
            .flat_map(|chain| &chain.hops)
            .filter(|hop| matches!(hop.state, State::Broken { .. }))
    }
}

/// Places one order and looks until every hop holds or the patience is over.
pub async fn examine(
    instance: &Instance,
    place: &Place,
    out: &mut impl Write,
) -> anyhow::Result<Diagnosis> {
    let doctor = Doctor::new(instance)?;
    let begun = Instant::now();
    let before = doctor.begin().await;
    loop {
        let facts = doctor.look(&before).await?;
        let diagnosis = Diagnosis {
            chains: judge(&facts, place),
            after: begun.elapsed(),
        };
        // What is stopped does not come by waiting.
        let is_final = diagnosis.chains.first().is_some_and(Chain::is_broken);
        if is_final || diagnosis.broken().next().is_none() || diagnosis.after > PATIENCE {
            print::print(&diagnosis, out)?;
            return Ok(diagnosis);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
