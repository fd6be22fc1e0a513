//! `POST /api/scenarios/{name}`.

use serde_json::json;
use telemetry_testing::{poll_async, tree};
use tonic::Code;

use crate::shop::Shop;
use crate::stand_in::{ORDER_ID, Plan};

const FAULTY: [&str; 3] = ["product-error", "inventory-timeout", "long-request"];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_reported_with_the_status_of_its_order_and_links_to_its_signals() {
    let shop = Shop::open().await;
    let answer = shop.post("/api/scenarios/normal").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let (report, trace_id) = (answer.json(), answer.trace_id());
    assert_eq!(report["scenario"], "normal");
    assert_eq!(report["status"], 201);
    assert_eq!(report["trace_id"], trace_id);
    assert!(report["duration_ms"].is_u64());
    assert_eq!(report["result"]["order_id"], ORDER_ID);
    let links = &report["links"];
    assert_eq!(
        links["trace"],
        format!("http://127.0.0.1:3200/api/traces/{trace_id}")
    );
    assert!(
        links["logs"].as_str().unwrap().contains(&trace_id),
        "{links}"
    );
    assert!(
        links["metrics"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:9090/"),
        "{links}"
    );
    assert_eq!(shop.peers.placed()[0].items, [("cup".to_owned(), 1)]);

    let server = shop
        .sink
        .span("POST /api/scenarios/{name}")
        .trace(&trace_id);
    poll_async("the server span", || server.find()).await;
    let expected = "\
SERVER POST /api/scenarios/{name} [gateway]
  INTERNAL scenario.run [gateway]
    CLIENT shop.order.v1.OrderService/PlaceOrder [gateway]
    INTERNAL catalogue.join [gateway]
      CLIENT GET /products [gateway]
      CLIENT shop.inventory.v1.InventoryService/GetStock [gateway]
";
    assert_eq!(tree::render(&shop.sink.trace(&trace_id)), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_are_switched_off_are_refused_with_how_to_switch_them_on() {
    let shop = Shop::open().await;
    for name in FAULTY {
        let problem = shop
            .post(&format!("/api/scenarios/{name}"))
            .await
            .is_problem(403);
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("SHOP_FAULTS=on"),
            "{problem}"
        );
    }
    assert!(shop.peers.placed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_travels_as_baggage_with_the_order_alone() {
    let shop = Shop::open_with(&[("SHOP_FAULTS", "on")]).await;
    for name in FAULTY {
        assert_eq!(
            shop.post(&format!("/api/scenarios/{name}")).await.status,
            201
        );
    }
    shop.post("/api/scenarios/normal").await;
    let baggage: Vec<_> = shop
        .peers
        .placed()
        .into_iter()
        .map(|placed| placed.baggage)
        .collect();
    let fault = |name: &str| Some(format!("shop.fault={name}"));
    let expected = [fault(FAULTY[0]), fault(FAULTY[1]), fault(FAULTY[2]), None];
    assert_eq!(baggage, expected);
    // What is asked before the order must not meet the fault.
    assert!(
        shop.peers.baggage().is_empty(),
        "{:?}",
        shop.peers.baggage()
    );
    let run = shop
        .sink
        .span("scenario.run")
        .attribute("shop.scenario", "product-error");
    let run = run.attribute("shop.fault", "product-error");
    poll_async("the run's span", || run.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_a_problem_with_the_members_of_a_report() {
    let shop = Shop::open_with(&[("SHOP_GRAFANA_URL", "http://grafana.example")]).await;
    shop.peers.plan(Plan::Fail(Code::DeadlineExceeded));
    let answer = shop.post("/api/scenarios/normal").await;
    let report = answer.is_problem(504);
    assert_eq!(report["scenario"], "normal");
    assert!(report["duration_ms"].is_u64());
    assert_eq!(report["result"]["detail"], "Order was too slow.");
    for (signal, place) in [
        ("trace", "explore?"),
        ("logs", "explore?"),
        ("metrics", "d/shop-service?"),
    ] {
        let link = report["links"][signal].as_str().unwrap();
        assert!(
            link.starts_with(&format!("http://grafana.example/{place}")),
            "{link}"
        );
    }
    let run = shop
        .sink
        .span("scenario.run")
        .trace(&answer.trace_id())
        .error();
    poll_async("the run's span", || run.find()).await;
    let log = shop
        .sink
        .log()
        .event("gateway.request.failed")
        .trace(&answer.trace_id());
    poll_async("the log record", || log.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_stock_asks_for_one_more_than_there_is() {
    let shop = Shop::open().await;
    shop.peers.plan(Plan::OutOfStock);
    let report = shop
        .post("/api/scenarios/out-of-stock")
        .await
        .is_problem(409);
    assert_eq!(shop.peers.placed()[0].items, [("tea".to_owned(), 4)]);
    assert_eq!(
        report["result"]["shortages"],
        json!([{"product_id": "tea", "requested": 4, "available": 1}])
    );
    let run = shop.sink.span("scenario.run").no_error();
    poll_async("the run's span", || run.find()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_scenario_is_404_and_reading_one_is_405() {
    let shop = Shop::open().await;
    shop.post("/api/scenarios/meltdown").await.is_problem(404);
    shop.get("/api/scenarios/normal").await.is_problem(405);
}
