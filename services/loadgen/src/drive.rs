//! The run itself.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Client, Failure};
use crate::mix::Route;
use crate::pace::{self, Pacer, Tick};
use crate::plan::{Amount, Plan};
use crate::random::Random;
use crate::shape::Shapes;
use crate::tally::Tally;

/// How often [`Watch::see`] is called.
const LOOK: Duration = Duration::from_millis(200);
/// How long a run that was stopped waits for the answers that are on their way.
const GRACE: Duration = Duration::from_secs(2);
const PANIC: &str = "a request ended in a panic";

/// Somebody who is told how a run goes.
pub trait Watch {
    fn see(&mut self, seen: &Seen);
}

/// A run at one moment, warm-up included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub elapsed: Duration,
    pub arrivals: u64,
    pub sent: u64,
    pub in_flight: usize,
    pub shed: u64,
    pub failed: u64,
    pub unexpected: u64,
}

/// What a run was.
#[derive(Debug)]
pub struct Run {
    pub warm_up: Tally,
    pub measured: Tally,
    /// From the end of the warm-up to the end of the arrivals or the last answer, whichever came later.
    pub time: Duration,
    pub is_complete: bool,
}

/// A request that is over.
struct Settled {
    route: Route,
    is_measured: bool,
    lateness: Duration,
    latency: Duration,
    outcome: Result<Answer, Failure>,
}

/// Sends what the plan says, the first request at `start`, until it is done or `stop` is.
pub async fn drive(
    plan: &Plan,
    client: &Client,
    shapes: Shapes,
    start: Instant,
    watch: &mut impl Watch,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Run> {
    let mut pacer = Pacer::start(start, plan.rate, plan.most_arrivals())
        .context("cannot start the thread that paces")?;
    let mut driver = Driver {
        plan,
        client,
        shapes,
        // Apart from the shapes' numbers: what is in an order does not change which route comes next.
        routes: Random::new(!plan.seed),
        tasks: JoinSet::new(),
        cut: CancellationToken::new(),
        warm_up: Tally::default(),
        measured: Tally::default(),
        seen: Seen::default(),
    };
    let mut looks = tokio::time::interval(LOOK);
    let mut stop = std::pin::pin!(stop);
    let mut grace = std::pin::pin!(tokio::time::sleep(Duration::MAX));
    let mut is_arriving = true;
    let mut is_stopped = false;
    let mut end_of_arrivals = start;
    while is_arriving || !driver.tasks.is_empty() {
        tokio::select! {
            tick = pacer.next(), if is_arriving => {
                if let Some(tick) = tick {
                    driver.arrive(tick)?;
                }
                if tick.is_none() || driver.is_enough() {
                    is_arriving = false;
                    end_of_arrivals = start + pace::offset(driver.seen.arrivals, plan.rate);
                }
            }
            Some(settled) = driver.tasks.join_next() => {
                driver.settle(settled.context(PANIC)?);
            }
            _ = looks.tick() => watch.see(&driver.seen(start)),
            () = &mut stop, if !is_stopped => {
                is_stopped = true;
                end_of_arrivals = if is_arriving { Instant::now() } else { end_of_arrivals };
                is_arriving = false;
                grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
            }
            () = &mut grace, if is_stopped => driver.cut.cancel(),
        }
    }
    watch.see(&driver.seen(start));
    let end = end_of_arrivals.max(Instant::now());
    Ok(Run {
        time: end
            .saturating_duration_since(start + pace::offset(plan.warm_up_arrivals(), plan.rate)),
        warm_up: driver.warm_up,
        measured: driver.measured,
        is_complete: !is_stopped,
    })
}

struct Driver<'a> {
    plan: &'a Plan,
    client: &'a Client,
    shapes: Shapes,
    routes: Random,
    tasks: JoinSet<Settled>,
    /// Ends the requests that are still in flight.
    cut: CancellationToken,
    warm_up: Tally,
    measured: Tally,
    seen: Seen,
}

impl Driver<'_> {
    /// Never waits: an arrival is sent or shed.
    fn arrive(&mut self, tick: Tick) -> anyhow::Result<()> {
        // Those that are over and not yet counted are not in flight.
        while let Some(settled) = self.tasks.try_join_next() {
            self.settle(settled.context(PANIC)?);
        }
        let is_measured = tick.number >= self.plan.warm_up_arrivals();
        let route = self.plan.mix.pick(&mut self.routes);
        let is_shed = self.tasks.len() >= self.plan.in_flight;
        self.seen.arrivals += 1;
        if is_shed {
            self.seen.shed += 1;
        } else {
            self.seen.sent += 1;
            self.send(route, tick.due, is_measured);
        }
        let in_flight = self.tasks.len();
        self.tally(is_measured).arrive(route, is_shed, in_flight);
        Ok(())
    }

    fn send(&mut self, route: Route, due: Instant, is_measured: bool) {
        let request = self.shapes.next(route);
        let client = self.client.clone();
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            let lateness = due.elapsed();
            let outcome = cut.run_until_cancelled(client.send(request)).await;
            Settled {
                route,
                is_measured,
                lateness,
                latency: due.elapsed(),
                outcome: outcome.unwrap_or(Err(Failure::CutOff)),
            }
        });
    }

    fn settle(&mut self, settled: Settled) {
        let Settled {
            route,
            is_measured,
            lateness,
            latency,
            outcome,
        } = settled;
        match &outcome {
            Ok(answer) if !(route.row().expected)(answer.status) => self.seen.unexpected += 1,
            Ok(_) | Err(Failure::CutOff) => {}
            Err(_) => self.seen.failed += 1,
        }
        if let (
            Route::Orders,
            Ok(Answer {
                location: Some(location),
                ..
            }),
        ) = (route, &outcome)
        {
            self.shapes.remember(location);
        }
        self.tally(is_measured)
            .settle(route, lateness, latency, &outcome);
    }

    fn tally(&mut self, is_measured: bool) -> &mut Tally {
        match is_measured {
            true => &mut self.measured,
            false => &mut self.warm_up,
        }
    }

    fn is_enough(&self) -> bool {
        matches!(self.plan.amount, Amount::Sent(wanted) if self.seen.sent >= wanted)
    }

    fn seen(&self, start: Instant) -> Seen {
        Seen {
            elapsed: start.elapsed(),
            in_flight: self.tasks.len(),
            ..self.seen
        }
    }
}
