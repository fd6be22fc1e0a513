//! What PlaceOrder and GetOrder answer, and the trace, counts and log lines of it.

use std::time::Duration;

use proto::order::v1::{GetOrderRequest, Money, OrderStatus, place_order_response};
use telemetry_testing::{Value, poll_async, tree};
use tonic::Code;

use crate::shop::{PLACE, Shop, request};
use crate::stand_in::{Call, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_priced_reserved_stored_and_confirmed_in_one_trace() {
    let shop = Shop::open().await;
    let order = shop.place(&[("cup", 2), ("tea", 1)]).await.unwrap();

    assert_eq!(
        order.total,
        Some(Money {
            amount: 3750,
            currency: "EUR".to_owned()
        })
    );
    assert_eq!(order.status(), OrderStatus::Placed);
    let expected = [
        Call::Reserve(order.order_id.clone()),
        Call::Confirm(order.order_id.clone()),
    ];
    assert_eq!(shop.inventory.calls(), expected);
    assert_eq!(
        shop.stored().await,
        [(order.order_id.clone(), "confirmed".to_owned())]
    );

    let server = shop
        .sink
        .span(PLACE)
        .no_error()
        .attribute("rpc.response.status_code", "OK");
    let trace_id = poll_async("the server span", || server.find())
        .await
        .trace_id;
    let drawn = tree::render(&shop.sink.trace(&trace_id));
    assert_eq!(drawn, EXPECTED_TREE);

    shop.counted_one("placed").await;
    let value = shop.sink.metric("shop.order.value").unit("EUR");
    assert_eq!(value.total_sum().unwrap(), 37.5);
    let placed = shop
        .sink
        .log()
        .event("order.placed")
        .trace(&trace_id)
        .severity("INFO");
    let placed = placed.attribute("shop.order.id", order.order_id.as_str());
    poll_async("the log record", || placed.find()).await;
}

const EXPECTED_TREE: &str = "\
SERVER shop.order.v1.OrderService/PlaceOrder [order]
  INTERNAL order.place [order]
    INTERNAL order.confirm [order]
      CLIENT UPDATE orders [order]
      CLIENT shop.inventory.v1.InventoryService/Confirm [order]
    INTERNAL order.price [order]
      CLIENT GET /products/{id} [order]
      CLIENT GET /products/{id} [order]
    INTERNAL order.reserve [order]
      CLIENT shop.inventory.v1.InventoryService/Reserve [order]
    INTERNAL order.store [order]
      CLIENT COMMIT orders [order]
      CLIENT INSERT order_lines [order]
      CLIENT INSERT orders [order]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_placed_order_can_be_read_and_an_unknown_one_is_not_found() {
    let shop = Shop::open().await;
    let placed = shop.place(&[("tea", 3)]).await.unwrap();
    let get = async |order_id: &str| {
        let request = GetOrderRequest {
            order_id: order_id.to_owned(),
        };
        shop.client
            .clone()
            .get_order(request)
            .await
            .map(|answer| answer.into_inner().order)
    };
    assert_eq!(get(&placed.order_id).await.unwrap(), Some(placed));
    for unknown in ["01999999-0000-7000-8000-000000000000", "", "not-an-id"] {
        assert_eq!(
            get(unknown).await.unwrap_err().code(),
            Code::NotFound,
            "{unknown:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_stock_is_an_answer_and_no_error_anywhere() {
    let shop = Shop::open().await;
    shop.inventory.on_reserve(Plan::Refuse);
    let answer = shop
        .client
        .clone()
        .place_order(request("", &[("tea", 7)]))
        .await
        .unwrap();
    let Some(place_order_response::Outcome::Rejected(rejection)) = answer.into_inner().outcome
    else {
        panic!("it was placed");
    };
    assert_eq!(
        (
            rejection.shortages[0].requested,
            rejection.shortages[0].available
        ),
        (7, 0)
    );

    shop.counted_one("rejected").await;
    let rejected = shop.sink.log().event("order.rejected").severity("INFO");
    poll_async("the log record", || rejected.find()).await;
    poll_async("the server span", || shop.sink.span(PLACE).find()).await;
    let failed = shop
        .sink
        .spans()
        .into_iter()
        .filter(|span| span.is_error())
        .collect::<Vec<_>>();
    assert!(failed.is_empty(), "{failed:?}");
    // Nothing was held, so there is nothing to give back.
    assert_eq!(shop.inventory.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_no_order_is_refused_before_anyone_is_asked() {
    let shop = Shop::open().await;
    let many = vec![("tea", 1); 51];
    let refused: [&[(&str, i64)]; 5] = [&[], &many, &[("tea", 0)], &[("tea", 1001)], &[("a/b", 1)]];
    for items in refused {
        assert_eq!(
            shop.place(items).await.unwrap_err().code(),
            Code::InvalidArgument,
            "{items:?}"
        );
    }
    let refused = shop.place_as("two words", &[("tea", 1)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    assert!(shop.product.lookups().is_empty());
    assert!(shop.inventory.calls().is_empty());
    let invalid = || shop.orders("invalid").total_is(6.0);
    poll_async("six invalid orders to be counted", invalid).await;
    let refused = shop.sink.log().event("order.rejected").severity("INFO");
    poll_async("the log records", || match refused.matching().len() {
        6 => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_product_is_priced_once_and_at_most_eight_at_a_time() {
    let shop = Shop::open().await;
    shop.product.delay(Duration::from_millis(50));
    let ids: Vec<String> = (0..20).map(|n| format!("p-{n}")).collect();
    let twice = ids.iter().chain(&ids).map(|id| (id.as_str(), 1));
    let order = shop.place(&twice.collect::<Vec<_>>()).await.unwrap();

    assert!(
        order.items.iter().all(|item| item.quantity == 2),
        "{order:?}"
    );
    assert_eq!(shop.product.lookups().len(), 20);
    assert_eq!(shop.product.most_at_once(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_is_exported_as_zero_before_the_first_order() {
    let shop = Shop::open().await;
    for outcome in ["placed", "rejected", "invalid", "failed", "cancelled"] {
        let zero = || shop.orders(outcome).total_is(0.0);
        poll_async(&format!("{outcome} to be exported as 0"), zero).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_carry_the_database_conventions() {
    let shop = Shop::open().await;
    shop.place(&[("tea", 1)]).await.unwrap();
    let insert = shop
        .sink
        .span("INSERT orders")
        .attribute("db.system.name", "sqlite")
        .attribute("db.namespace", "orders")
        .attribute("db.operation.name", "INSERT")
        .attribute("db.collection.name", "orders")
        .check("no statement text", |span| {
            match span.attributes.get("db.query.text") {
                None => Ok(()),
                Some(text) => Err(format!("{text:?}")),
            }
        });
    poll_async("the query's span", || insert.find()).await;
    let duration = shop.sink.metric("db.client.operation.duration").unit("s");
    let duration = duration.attribute("db.operation.name", Value::from("COMMIT"));
    poll_async("the query's duration", || duration.total_is(1.0)).await;
}
