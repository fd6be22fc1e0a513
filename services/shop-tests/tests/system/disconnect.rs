//! A client that leaves takes its request along, through every service, and leaves nothing counted as running.

use std::io::Write;
use std::net::TcpStream;

use telemetry_testing::{Kind, poll};

use crate::shop::Shop;

const ACTIVE: [&str; 4] = [
    "http.server.active_requests",
    "http.client.active_requests",
    "rpc.server.active_calls",
    "rpc.client.active_calls",
];

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_ends_the_request_everywhere() {
    let shop = Shop::start();
    let mut stream = TcpStream::connect(shop.child("gateway").listening()).unwrap();
    let request =
        "POST /api/scenarios/long-request HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();

    // In the middle: product has begun, and the metrics of all three say that they are at it.
    for (service, metric) in [
        ("gateway", ACTIVE[0]),
        ("order", ACTIVE[2]),
        ("order", ACTIVE[1]),
        ("product", ACTIVE[0]),
    ] {
        poll(&format!("{metric} of {service} to be 1"), || {
            shop.sink.metric(metric).service(service).total_is(1.0)
        });
    }
    drop(stream);

    poll("nothing in flight", || {
        let points = shop.sink.latest_metrics();
        let busy: Vec<_> = points
            .iter()
            .filter(|p| ACTIVE.contains(&p.name.as_str()) && p.value() != 0.0)
            .collect();
        if busy.is_empty() {
            Ok(())
        } else {
            Err(format!("{busy:#?}"))
        }
    });
    let cancelled = |service: &str, kind, name: &str| {
        let span = shop
            .sink
            .span(name)
            .service(service)
            .kind(kind)
            .attribute("error.type", "cancelled")
            .eventually();
        assert!(
            span.duration().as_secs() < 5,
            "{name} of {service} ran to its end: {:?}",
            span.duration()
        );
        span.trace_id
    };
    let place = "shop.order.v1.OrderService/PlaceOrder";
    let traces = [
        cancelled("gateway", Kind::Server, "POST /api/scenarios/{name}"),
        cancelled("gateway", Kind::Client, place),
        cancelled("order", Kind::Server, place),
        cancelled("order", Kind::Client, "GET /products/{id}"),
        cancelled("product", Kind::Server, "GET /products/{id}"),
    ];
    assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
    shop.whole_trace(&traces[0]);

    let duration = |metric: &str, service: &str| {
        shop.sink
            .metric(metric)
            .service(service)
            .attribute("error.type", "cancelled")
            .eventually()
    };
    duration("http.server.request.duration", "gateway");
    duration("rpc.client.call.duration", "gateway");
    duration("rpc.server.call.duration", "order");
    duration("http.client.request.duration", "order");
    duration("http.server.request.duration", "product");
    poll("one cancelled order", || {
        shop.orders("cancelled").total_is(1.0)
    });

    // And the shop is as good as before.
    let product = shop.product().await;
    assert_eq!(shop.order(&product.id, 1).await.status, 201);
}
