//! What a request leaves in the sink.

use telemetry_testing::{PointKind, poll_async};

use crate::service::{Product, TRACE, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_is_one_branch_of_the_callers_trace() {
    let product = Product::start();
    product.get("/products/p-1001").await;
    let expected = "\
(parent not received)
  SERVER GET /products/{id} [product]
    INTERNAL product.lookup [product]
      CLIENT SELECT products [product]
";
    poll_async("the spans of the lookup", || match product.tree() {
        tree if tree == expected => Ok(()),
        tree => Err(tree),
    })
    .await;

    let server = product.sink.span("GET /products/{id}");
    server.attribute("client.address", "127.0.0.1").expect();
    let query = product.sink.span("SELECT products").trace(TRACE);
    let query = query
        .attribute("db.system.name", "sqlite")
        .attribute("db.namespace", "catalogue");
    query.expect();
    let lookup = product
        .sink
        .span("product.lookup")
        .attribute("shop.product.id", "p-1001");
    lookup.expect();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_id_reaches_neither_the_database_nor_a_span() {
    let product = Product::start();
    product.get("/products/%3Cscript%3E").await;
    let expected = "(parent not received)\n  SERVER GET /products/{id} [product]\n";
    poll_async("the span of the request", || match product.tree() {
        tree if tree == expected => Ok(()),
        tree => Err(tree),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_has_its_span_and_its_place_in_the_metrics() {
    let product = Product::start_with(&[("SHOP_MAX_BODY", "10B")]);
    answer(product.request("/products").body("eleven byte"))
        .await
        .assert_problem(413);
    let span = product
        .sink
        .span("GET")
        .trace(TRACE)
        .attribute("http.response.status_code", 413_u16);
    poll_async("the span of the refusal", || span.find()).await;
    let counted = product.sink.metric("http.server.request.duration");
    let counted = counted.attribute("http.response.status_code", 413_u16);
    poll_async("the refusal to be counted", || counted.total_is(1.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_queries_are_timed() {
    let product = Product::start();
    for path in ["/products/p-1001", "/products/p-1002", "/products"] {
        product.get(path).await;
    }
    let requests = product
        .sink
        .metric("http.server.request.duration")
        .unit("s");
    let requests = requests
        .kind(PointKind::Histogram)
        .attribute("http.route", "/products/{id}");
    poll_async("the requests to be counted", || requests.total_is(2.0)).await;
    let queries = product
        .sink
        .metric("db.client.operation.duration")
        .unit("s");
    let queries = queries
        .attribute("db.operation.name", "SELECT")
        .attribute("db.collection.name", "products");
    poll_async("the queries to be counted", || queries.total_is(3.0)).await;
    let active = product.sink.metric("http.server.active_requests");
    poll_async("no request to be active", || active.total_is(0.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_service_makes_no_spans() {
    let product = Product::start();
    let exports = || {
        let requests = product.sink.requests();
        let exports = requests
            .iter()
            .filter(|request| request.path.ends_with("/metrics"));
        exports.count()
    };
    // Ten exports of the metrics: time enough for anything that runs by itself.
    poll_async("some exports", || {
        if exports() >= 10 {
            Ok(())
        } else {
            Err(exports())
        }
    })
    .await;
    let spans = product.sink.spans();
    assert!(spans.is_empty(), "{spans:?}");
}
