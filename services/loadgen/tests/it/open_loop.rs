//! The point of the generator: a slow server slows neither the arrivals nor, in the figures, itself.

use std::time::{Duration, Instant};

use http::uri::Authority;
use loadgen::client::Client;
use loadgen::drive::{Run, Seen, Watch, drive};
use loadgen::mix::{Mix, Route};
use loadgen::plan::{Amount, Plan};
use loadgen::report::{Origin, Report, Verdict};
use loadgen::shape::Shapes;
use tokio::sync::watch;

use crate::server::{Behaviour, Server};

struct Nobody;

impl Watch for Nobody {
    fn see(&mut self, _: &Seen) {}
}

/// Far longer than any run here takes: a run that hangs should fail.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the gate of a server once so many requests were due.
struct Opener {
    after: u64,
    gate: watch::Sender<bool>,
}

impl Watch for Opener {
    fn see(&mut self, seen: &Seen) {
        if seen.arrivals >= self.after {
            self.gate.send_replace(true);
        }
    }
}

fn plan(rate: f64, amount: Amount) -> Plan {
    Plan {
        rate,
        warm_up: Duration::ZERO,
        amount,
        mix: Mix::only(Route::Product),
        in_flight: 500,
        timeout: Duration::from_secs(60),
        seed: 1,
    }
}

async fn run(
    server: &Server,
    plan: &Plan,
    start: Instant,
    watch: &mut impl Watch,
    stop: impl Future<Output = ()>,
) -> Run {
    let gateway = Authority::try_from(server.address.to_string()).unwrap();
    let shapes = Shapes::new(gateway, vec!["p-1".to_owned()], plan.seed);
    let client = Client::new(plan.timeout);
    let run = drive(plan, &client, shapes, start, watch, stop);
    let run = tokio::time::timeout(PATIENCE, run).await;
    run.unwrap().unwrap()
}

fn verdict(server: &Server, plan: &Plan, run: &Run, max_error_ratio: f64) -> Verdict {
    let gateway = Authority::try_from(server.address.to_string()).unwrap();
    let origin = Origin::here(std::env::args());
    Report::new(origin, plan, &gateway, run, max_error_ratio).verdict
}

#[tokio::test]
async fn a_server_that_answers_nothing_does_not_slow_the_arrivals() {
    // Whoever waits for an answer before the next request would wait for ever.
    let server = Server::start(Behaviour::AnswerAfter(100));
    let plan = plan(500.0, Amount::For(Duration::from_millis(200)));
    let run = run(
        &server,
        &plan,
        Instant::now(),
        &mut Nobody,
        std::future::pending(),
    )
    .await;
    let total = run.measured.total();
    assert_eq!(
        (total.arrivals, total.answered(), total.shed),
        (100, 100, 0)
    );
    // The first was due 198 ms before the last arrived, and only then were they answered; the median waited for half of that.
    assert!(
        total.latency.max().unwrap() >= 198.0,
        "{:?}",
        total.latency.max()
    );
    assert!(total.latency.percentile(50.0).unwrap() >= 98.0);
}

#[tokio::test]
async fn a_latency_counts_from_the_moment_the_request_was_due() {
    let server = Server::start(Behaviour::Answer);
    let plan = plan(100.0, Amount::For(Duration::from_millis(500)));
    // As if the generator had been held up for 20 s: the requests go out at once, and that they are late is not forgotten.
    let start = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
    let run = run(&server, &plan, start, &mut Nobody, std::future::pending()).await;
    let total = run.measured.total();
    assert_eq!(total.answered(), 50);
    assert!(total.latency.percentile(1.0).unwrap() >= 19_500.0);
    assert!(run.measured.lateness.percentile(1.0).unwrap() >= 19_500.0);
    assert!(run.time >= Duration::from_secs(20), "{:?}", run.time);
}

#[tokio::test]
async fn arrivals_that_find_too_many_in_flight_are_counted_as_shed() {
    let (gate, closed) = watch::channel(false);
    let server = Server::start(Behaviour::Closed(closed));
    let plan = Plan {
        in_flight: 3,
        ..plan(1_000.0, Amount::For(Duration::from_millis(20)))
    };
    let mut opener = Opener { after: 20, gate };
    let run = run(
        &server,
        &plan,
        Instant::now(),
        &mut opener,
        std::future::pending(),
    )
    .await;
    let total = run.measured.total();
    assert_eq!((total.arrivals, total.answered(), total.shed), (20, 3, 17));
    // What was answered was answered well, and most of what was asked for was not even sent.
    let judged = verdict(&server, &plan, &run, 0.8);
    assert_eq!(
        judged.reasons,
        ["17 of 20 arrivals were shed (0.8500 of them, allowed are 0.8)"]
    );
    assert!(!judged.is_ok);
    assert!(verdict(&server, &plan, &run, 0.85).is_ok);
    assert_eq!(run.measured.most_in_flight, 3);
    assert_eq!(server.arrived(), 3);
}

#[tokio::test]
async fn so_many_orders_are_sent_even_if_arrivals_are_shed_in_between() {
    let (gate, closed) = watch::channel(false);
    let server = Server::start(Behaviour::Closed(closed));
    let plan = Plan {
        mix: Mix::only(Route::Orders),
        in_flight: 2,
        ..plan(1_000.0, Amount::Sent(40))
    };
    let mut opener = Opener { after: 60, gate };
    let run = run(
        &server,
        &plan,
        Instant::now(),
        &mut opener,
        std::future::pending(),
    )
    .await;
    let total = run.measured.total();
    assert_eq!(total.statuses.get(&201), Some(&40));
    assert_eq!(server.arrived(), 40);
    assert!(total.shed >= 58, "{}", total.shed);
    assert_eq!(total.arrivals, 40 + total.shed);
    let judged = verdict(&server, &plan, &run, 0.01);
    assert!(judged.is_ok, "{judged:?}");
}

#[tokio::test]
async fn the_warm_up_is_sent_and_in_no_figure() {
    let server = Server::start(Behaviour::Answer);
    let plan = Plan {
        warm_up: Duration::from_millis(100),
        ..plan(300.0, Amount::For(Duration::from_millis(50)))
    };
    let run = run(
        &server,
        &plan,
        Instant::now(),
        &mut Nobody,
        std::future::pending(),
    )
    .await;
    assert_eq!(run.warm_up.total().answered(), 30);
    assert_eq!(run.measured.total().answered(), 15);
    assert_eq!(run.measured.lateness.count(), 15);
    assert_eq!(server.arrived(), 45);
    assert!(run.time >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_run_that_is_stopped_reports_what_was_done() {
    let server = Server::start(Behaviour::Answer);
    let plan = plan(100.0, Amount::For(Duration::from_secs(300)));
    let mut arrived = server.watch();
    let stop = async move {
        arrived.wait_for(|arrived| *arrived >= 10).await.unwrap();
    };
    let run = run(&server, &plan, Instant::now(), &mut Nobody, stop).await;
    let total = run.measured.total();
    assert!(!run.is_complete);
    assert!(
        (10..10_000).contains(&total.answered()),
        "{}",
        total.answered()
    );
    assert_eq!(total.failed(), 0);
    assert!(run.time < Duration::from_secs(100), "{:?}", run.time);
}

#[tokio::test]
async fn a_run_that_is_stopped_cuts_off_what_is_not_answered_and_calls_it_so() {
    let (_gate, closed) = watch::channel(false);
    let server = Server::start(Behaviour::Closed(closed));
    let plan = plan(100.0, Amount::For(Duration::from_secs(300)));
    let mut arrived = server.watch();
    let stop = async move {
        arrived.wait_for(|arrived| *arrived >= 5).await.unwrap();
    };
    let run = run(&server, &plan, Instant::now(), &mut Nobody, stop).await;
    let total = run.measured.total();
    let cut = total.failures.get(&loadgen::client::Failure::CutOff);
    assert_eq!(cut, Some(&(total.arrivals - total.shed)));
    assert_eq!((total.answered(), total.failed()), (0, 0));
}
