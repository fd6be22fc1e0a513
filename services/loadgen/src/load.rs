//! A load that is running.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Client, Failure};
use crate::mix::Route;
use crate::pace::{self, Pacer, Tick};
use crate::plan::{Amount, Plan};
use crate::requests::Requests;
use crate::tally::Tally;

/// How long a load that was stopped waits for the answers to what it has sent.
const GRACE: Duration = Duration::from_secs(2);
const PANIC: &str = "a request ended in a panic";

/// Sends what `plan` says, until it is done or `stop` completes.
///
/// # Errors
/// The plan is beyond its limits, the gateway is not on loopback or does not answer, or the stock is too low for it.
pub async fn run(plan: Plan, stop: impl Future<Output = ()>) -> anyhow::Result<Tally> {
    Load::prepare(plan).await?.run(stop, |_| ()).await
}

/// A load that is ready to start.
#[derive(Debug)]
pub struct Load {
    pub(crate) plan: Plan,
    client: Client,
    requests: Requests,
}

/// An arrival whose outcome is known.
#[derive(Debug, Clone)]
pub struct Settled {
    pub route: Route,
    /// The intended start.
    pub due: Instant,
    /// Whether the warm-up was over when it was due.
    pub is_measured: bool,
    /// How much later than due it was sent.
    pub lateness: Duration,
    /// From the intended start to the last byte, or to the failure.
    pub latency: Duration,
    pub outcome: Result<Answer, Failure>,
}

impl Settled {
    /// No answer, or one with a status that the route does not have when all is well. What the end of the run cut off is neither.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        match &self.outcome {
            Ok(answer) => !(self.route.row().expected)(answer.status),
            Err(failure) => *failure != Failure::CutOff,
        }
    }
}

impl Load {
    /// Checks the plan and, where it needs products, reads the catalogue; places one order if orders are looked up.
    pub async fn prepare(plan: Plan) -> anyhow::Result<Self> {
        plan.check()?;
        let client = Client::new(plan.timeout);
        let requests = Requests::prepare(&client, &plan).await?;
        Ok(Self {
            plan,
            client,
            requests,
        })
    }

    /// The first request is due now. `observe` is called with each arrival as soon as its outcome is known.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        observe: impl FnMut(&Settled),
    ) -> anyhow::Result<Tally> {
        self.run_from(Instant::now(), stop, observe).await
    }

    /// The first request is due at `start`; what is overdue is sent at once, and how late it is counts.
    pub async fn run_from(
        self,
        start: Instant,
        stop: impl Future<Output = ()>,
        observe: impl FnMut(&Settled),
    ) -> anyhow::Result<Tally> {
        let rate = self.plan.rate;
        let warm_up = pace::offset(self.plan.warm_up_arrivals(), rate);
        let mut pacer = Pacer::start(start, rate, self.plan.most_arrivals())
            .context("cannot start the thread that paces")?;
        let mut running = Running {
            // Apart from the numbers of the requests: what is in an order does not change which route comes next.
            routes: Rng::with_seed(!self.plan.seed),
            load: self,
            tasks: JoinSet::new(),
            cut: CancellationToken::new(),
            tally: Tally::default(),
            arrivals: 0,
            sent: 0,
            observe,
        };
        let mut stop = std::pin::pin!(stop);
        let mut grace = std::pin::pin!(tokio::time::sleep(Duration::MAX));
        let mut is_arriving = true;
        let mut is_stopped = false;
        let mut end_of_arrivals = start;
        while is_arriving || !running.tasks.is_empty() {
            tokio::select! {
                tick = pacer.next(), if is_arriving => {
                    if let Some(tick) = tick {
                        running.arrive(tick)?;
                    }
                    if tick.is_none() || running.is_enough() {
                        is_arriving = false;
                        end_of_arrivals = start + pace::offset(running.arrivals, rate);
                    }
                }
                Some(settled) = running.tasks.join_next() => running.settle(&settled.context(PANIC)?),
                () = &mut stop, if !is_stopped => {
                    is_stopped = true;
                    end_of_arrivals = if is_arriving { Instant::now() } else { end_of_arrivals };
                    is_arriving = false;
                    grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                }
                () = &mut grace, if is_stopped => running.cut.cancel(),
            }
        }
        let end = end_of_arrivals.max(Instant::now());
        Ok(Tally {
            time: end.saturating_duration_since(start + warm_up),
            is_complete: !is_stopped,
            ..running.tally
        })
    }
}

struct Running<F> {
    load: Load,
    routes: Rng,
    tasks: JoinSet<Settled>,
    /// Ends the requests that are still in flight.
    cut: CancellationToken,
    tally: Tally,
    arrivals: u64,
    sent: u64,
    observe: F,
}

impl<F: FnMut(&Settled)> Running<F> {
    /// Never waits: an arrival is sent or shed.
    fn arrive(&mut self, Tick { number, due }: Tick) -> anyhow::Result<()> {
        // Those that are over and not yet counted are not in flight.
        while let Some(settled) = self.tasks.try_join_next() {
            self.settle(&settled.context(PANIC)?);
        }
        let plan = &self.load.plan;
        let route = plan.mix.pick(&mut self.routes);
        let is_measured = number >= plan.warm_up_arrivals();
        self.arrivals += 1;
        if self.tasks.len() >= plan.in_flight {
            self.settle(&Settled {
                route,
                due,
                is_measured,
                lateness: Duration::ZERO,
                latency: Duration::ZERO,
                outcome: Err(Failure::Shed),
            });
            return Ok(());
        }
        self.sent += 1;
        let request = self.load.requests.next(route);
        let (client, cut) = (self.load.client.clone(), self.cut.clone());
        self.tasks.spawn(async move {
            let lateness = due.elapsed();
            let outcome = cut.run_until_cancelled(client.send(request)).await;
            Settled {
                route,
                due,
                is_measured,
                lateness,
                latency: due.elapsed(),
                outcome: outcome.unwrap_or(Err(Failure::CutOff)),
            }
        });
        self.tally.most_in_flight = self.tally.most_in_flight.max(self.tasks.len());
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) {
        if let (Route::Orders, Ok(answer)) = (settled.route, &settled.outcome) {
            self.load.requests.remember(answer.location.as_deref());
        }
        self.tally.add(settled);
        (self.observe)(settled);
    }

    fn is_enough(&self) -> bool {
        matches!(self.load.plan.amount, Amount::Sent(wanted) if self.sent >= wanted)
    }
}
