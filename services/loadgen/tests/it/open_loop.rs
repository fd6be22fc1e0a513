//! The point of the generator: a slow server slows neither the arrivals nor, in the figures, itself.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use loadgen::client::Failure;
use loadgen::mix::{Mix, Route};
use loadgen::report::Report;
use loadgen::{Amount, Load, Plan, Settled, Tally};
use tokio::sync::watch;

use crate::server::{Behaviour, Server, TRACE_ID};

/// Far longer than any run here takes: a run that hangs should fail.
const PATIENCE: Duration = Duration::from_secs(30);

fn plan(server: &Server, rate: f64, amount: Amount) -> Plan {
    Plan {
        amount,
        mix: Mix::only(Route::Product),
        in_flight: 500,
        timeout: Duration::from_secs(60),
        ..Plan::orders(&server.url(), rate).unwrap()
    }
}

async fn run_from(
    start: Instant,
    plan: &Plan,
    stop: impl Future<Output = ()>,
    observe: impl FnMut(&Settled),
) -> Tally {
    let load = Load::prepare(plan.clone()).await.unwrap();
    let run = load.run_from(start, stop, observe);
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap()
}

async fn run(plan: &Plan) -> Tally {
    run_from(Instant::now(), plan, std::future::pending(), |_| ()).await
}

/// Opens the gate of the server once so many arrivals were shed.
async fn run_until_shed(plan: &Plan, shed: u64, gate: watch::Sender<bool>) -> Tally {
    let mut seen = 0;
    let observe = |settled: &Settled| {
        seen += u64::from(settled.outcome == Err(Failure::Shed));
        if seen >= shed {
            gate.send_replace(true);
        }
    };
    run_from(Instant::now(), plan, std::future::pending(), observe).await
}

fn reasons(plan: &Plan, tally: &Tally, max_error_ratio: f64) -> Vec<String> {
    Report::new(plan, tally, String::new(), max_error_ratio).reasons
}

fn millis(millis: u64) -> Amount {
    Amount::For(Duration::from_millis(millis))
}

#[tokio::test]
async fn a_server_that_answers_nothing_does_not_slow_the_arrivals() {
    // A generator that waits for an answer before the next request would wait forever.
    let server = Server::start(Behaviour::AnswerAfter(100));
    let tally = run(&plan(&server, 500.0, millis(200))).await;
    let total = tally.total();
    assert_eq!(
        (total.arrivals(), total.answered(), total.shed()),
        (100, 100, 0)
    );
    // The first was due 198 ms before the last arrived, and only then were they answered; the median waited for half of that.
    let (max, median) = (total.latency.max(), total.latency.percentile(50.0));
    assert!(max.unwrap() >= 198.0, "{max:?}");
    assert!(median.unwrap() >= 98.0, "{median:?}");
}

#[tokio::test]
async fn a_latency_counts_from_the_moment_the_request_was_due() {
    let server = Server::start(Behaviour::Answer);
    let plan = plan(&server, 100.0, millis(500));
    // As if the generator had been held up for 20 s: the requests go out at once, and that they are late is counted.
    let start = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
    let tally = run_from(start, &plan, std::future::pending(), |_| ()).await;
    let total = tally.total();
    assert_eq!(total.answered(), 50);
    assert!(total.latency.percentile(1.0).unwrap() >= 19_500.0);
    assert!(tally.lateness.percentile(1.0).unwrap() >= 19_500.0);
    assert!(tally.time >= Duration::from_secs(20), "{:?}", tally.time);
}

#[tokio::test]
async fn arrivals_that_find_too_many_in_flight_are_shed_and_fail_the_run() {
    let (gate, closed) = watch::channel(false);
    let server = Server::start(Behaviour::Closed(closed));
    let plan = Plan {
        in_flight: 3,
        ..plan(&server, 1_000.0, millis(20))
    };
    let tally = run_until_shed(&plan, 17, gate).await;
    let total = tally.total();
    assert_eq!(
        (total.arrivals(), total.answered(), total.shed()),
        (20, 3, 17)
    );
    assert_eq!((tally.most_in_flight, server.arrived()), (3, 3));
    assert_eq!(
        reasons(&plan, &tally, 0.8),
        ["17 of 20 arrivals were shed (0.8500 of them, allowed are 0.8)"]
    );
    assert!(reasons(&plan, &tally, 0.85).is_empty());
}

#[tokio::test]
async fn so_many_orders_are_sent_even_if_arrivals_are_shed_in_between() {
    let (gate, closed) = watch::channel(false);
    let server = Server::start(Behaviour::Closed(closed));
    let plan = Plan {
        mix: Mix::only(Route::Orders),
        in_flight: 2,
        ..plan(&server, 1_000.0, Amount::Sent(40))
    };
    let tally = run_until_shed(&plan, 58, gate).await;
    let total = tally.total();
    assert_eq!(total.statuses.get(&201), Some(&40));
    assert_eq!(server.arrived(), 40);
    assert!(total.shed() >= 58, "{}", total.shed());
    assert!(reasons(&plan, &tally, 0.01).is_empty());
}

#[tokio::test]
async fn the_warm_up_is_sent_and_in_no_figure() {
    let server = Server::start(Behaviour::Answer);
    let plan = Plan {
        warm_up: Duration::from_millis(100),
        ..plan(&server, 300.0, millis(50))
    };
    let tally = run(&plan).await;
    assert_eq!(tally.warm_up.answered(), 30);
    assert_eq!(tally.total().answered(), 15);
    assert_eq!(tally.lateness.count(), 15);
    assert_eq!(server.arrived(), 45);
    assert!(tally.time >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_run_that_is_stopped_reports_what_was_done_and_what_it_cut_off() {
    let (gate, closed) = watch::channel(true);
    let server = Server::start(Behaviour::Closed(closed));
    let plan = plan(&server, 100.0, Amount::For(Duration::from_secs(300)));
    let mut arrived = server.watch();
    let stop = async move {
        arrived.wait_for(|arrived| *arrived >= 10).await.unwrap();
    };
    // From the fifth answer on, the server answers nothing.
    let mut answered = 0;
    let observe = |settled: &Settled| {
        answered += u64::from(settled.outcome.is_ok());
        if answered >= 5 {
            gate.send_replace(false);
        }
    };
    let tally = run_from(Instant::now(), &plan, stop, observe).await;
    let total = tally.total();
    assert!(!tally.is_complete);
    assert!(total.answered() >= 5, "{total:?}");
    let cut = total.failures.get(&Failure::CutOff).copied();
    assert_eq!(cut, Some(total.arrivals() - total.answered()));
    assert_eq!(total.failed(), 0);
    assert!(tally.time < Duration::from_secs(100), "{:?}", tally.time);
}

#[tokio::test]
async fn a_scenario_needs_no_catalogue_and_each_answer_is_observed_with_its_trace() {
    let server = Server::start(Behaviour::Status(503));
    let plan = Plan {
        amount: Amount::Sent(3),
        ..Plan::scenario(&server.url(), 100.0, "product-error").unwrap()
    };
    let mut seen = Vec::new();
    let observe = |settled: &Settled| {
        let answer = settled.outcome.clone().unwrap();
        seen.push((answer.status, answer.trace_id.unwrap(), settled.is_bad()));
    };
    let tally = run_from(Instant::now(), &plan, std::future::pending(), observe).await;
    assert_eq!(tally.total().unexpected, 3);
    assert_eq!(seen, vec![(503, TRACE_ID.to_owned(), true); 3]);
    assert_eq!(server.asked(), ["POST /api/scenarios/product-error"; 3]);
}

#[tokio::test]
async fn each_way_to_fail_has_its_name() {
    let one = async |plan: Plan| {
        let plan = Plan {
            amount: Amount::Sent(1),
            ..plan
        };
        let tally = run(&plan).await;
        let failures: Vec<_> = tally.total().failures.into_keys().collect();
        failures
    };
    let at = |url: &str| Plan::scenario(url, 100.0, "normal").unwrap();

    let broken = Server::start(Behaviour::Break);
    assert_eq!(one(at(&broken.url())).await, [Failure::Broken]);

    let (_gate, closed) = watch::channel(false);
    let silent = Server::start(Behaviour::Closed(closed));
    let timeout = Duration::from_millis(50);
    let impatient = Plan {
        timeout,
        ..at(&silent.url())
    };
    let begun = Instant::now();
    assert_eq!(one(impatient).await, [Failure::Timeout]);
    assert!(begun.elapsed() >= timeout);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let refused = one(at(&format!("http://{nobody}"))).await;
    assert_eq!(refused, [Failure::Connect]);
}
