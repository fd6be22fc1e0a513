//! A stop under load: what was answered is told, whole, and the exit code says that all went well.

use std::collections::BTreeMap;
use std::time::Duration;

use telemetry_testing::tree;
use tokio::task::JoinSet;

use crate::http::{self, Reply};
use crate::shop::{Plan, Shop, alone};
use crate::trace;

const CLIENTS: usize = 6;
/// Enough for the stop to meet requests in every state.
const BEFORE_STOP: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_request_has_its_whole_trace_and_all_services_end_with_0() {
    let _alone = alone().await;
    // A batch that is not full leaves at the end or not at all: what arrives has been flushed.
    let mut shop = Plan::default()
        .set("OTEL_BSP_SCHEDULE_DELAY", "60000")
        .start();
    let product = shop.product().await;
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (url, basket, answered) = (
            shop.url("/api/orders"),
            http::basket(&product.id, 1),
            answered.clone(),
        );
        clients.spawn(async move {
            let client = http::client();
            // Until the gateway is gone.
            while let Ok(reply) = Reply::try_of(client.post(&url).json(&basket)).await {
                answered.send(reply).unwrap();
            }
        });
    }
    drop(answered);
    let mut replies = Vec::new();
    while replies.len() < BEFORE_STOP {
        replies.push(answers.recv().await.unwrap());
    }
    // On a thread of its own: the clients go on meanwhile.
    let (shop, ends) = tokio::task::spawn_blocking(move || {
        let ends = shop.stop();
        (shop, ends)
    })
    .await
    .unwrap();
    clients.join_all().await;
    while let Some(reply) = answers.recv().await {
        replies.push(reply);
    }

    for (service, exit) in &ends {
        assert_eq!(exit.code, Some(0), "{service}: {}", exit.stderr);
        let last = exit.log_lines.last().unwrap();
        assert_eq!(
            last["event.name"], "service.stopped",
            "{service} ended with {last}"
        );
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for reply in &replies {
        *statuses.entry(reply.status).or_default() += 1;
        let spans = shop.sink.trace(&reply.trace_id());
        if let Some(missing) = trace::missing(&spans) {
            panic!("{missing} of {reply:?} in:\n{}", tree::render(&spans));
        }
    }
    assert!(statuses[&201] >= BEFORE_STOP, "{statuses:?}");
    // A request that came too late for a service behind the gateway is told so, and nothing else goes wrong.
    assert!(
        statuses.keys().all(|status| [201, 503].contains(status)),
        "{statuses:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_runs_when_the_stop_comes_is_answered() {
    let mut shop = Shop::start();
    let mut running = JoinSet::new();
    running.spawn(Reply::of(shop.post("/api/scenarios/long-request")));
    shop.sink
        .log()
        .event("fault.injected")
        .service("product")
        .eventually();
    let (ends, shop) = tokio::task::spawn_blocking(move || (shop.stop_callers_first(), shop))
        .await
        .unwrap();
    let reply = running.join_next().await.unwrap().unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    assert!(reply.took >= Duration::from_secs(5), "{:?}", reply.took);
    for (service, exit) in ends {
        assert_eq!(exit.code, Some(0), "{service}: {}", exit.stderr);
    }
    assert_eq!(trace::missing(&shop.sink.trace(&reply.trace_id())), None);
}
