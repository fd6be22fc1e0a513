//! A stop under load: every answered request has its whole trace, and every service exits with 0.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::http::Reply;
use crate::shop::{Plan, Shop, alone};

const CLIENTS: usize = 6;
/// Enough for the stop to meet requests in every state.
const BEFORE_STOP: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_request_has_its_whole_trace_and_all_services_exit_with_0() {
    let _alone = alone().await;
    // A batch that is not full is exported at the stop or not at all: what arrives has been flushed.
    let mut shop = Plan::default()
        .set("OTEL_BSP_SCHEDULE_DELAY", "60000")
        .start();
    let product = shop.product().await;
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (order, answered) = (shop.order_request(&product.id, 1), answered.clone());
        clients.spawn(async move {
            // Until the gateway has exited.
            while let Ok(reply) = Reply::try_of(order.try_clone().unwrap()).await {
                answered.send(reply).unwrap();
            }
        });
    }
    drop(answered);
    let mut replies = Vec::new();
    while replies.len() < BEFORE_STOP {
        replies.push(answers.recv().await.unwrap());
    }
    // On a thread of its own: the clients continue meanwhile.
    let stop = tokio::task::spawn_blocking(move || (shop.stop(), shop));
    let (ends, shop) = stop.await.unwrap();
    clients.join_all().await;
    while let Some(reply) = answers.recv().await {
        replies.push(reply);
    }

    for (service, exit) in &ends {
        assert_eq!(exit.code, Some(0), "{service}: {}", exit.stderr);
        let last = exit.log_lines.last().unwrap();
        assert_eq!(last["event.name"], "service.stopped", "{service}");
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for reply in &replies {
        *statuses.entry(reply.status).or_default() += 1;
        if let Err(missing) = shop.complete_trace(&reply.trace_id()) {
            panic!("{reply:?}: {missing}");
        }
    }
    assert!(statuses[&201] >= BEFORE_STOP, "{statuses:?}");
    // 503: a service behind the gateway had stopped already.
    let is_expected = |status| [201, 503].contains(status);
    assert!(statuses.keys().all(is_expected), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_progress_at_the_stop_is_answered() {
    let mut shop = Shop::start();
    let mut running = JoinSet::new();
    running.spawn(Reply::of(shop.post("/api/scenarios/long-request")));
    shop.sink
        .log()
        .event("fault.injected")
        .service("product")
        .eventually();
    let stop = tokio::task::spawn_blocking(move || (shop.stop_callers_first(), shop));
    let (ends, shop) = stop.await.unwrap();
    let reply = running.join_next().await.unwrap().unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    assert!(reply.took >= Duration::from_secs(5), "{:?}", reply.took);
    for (service, exit) in ends {
        assert_eq!(exit.code, Some(0), "{service}: {}", exit.stderr);
    }
    shop.complete_trace(&reply.trace_id()).unwrap();
}
