//! One inventory service, its sink and a caller that chooses the trace.

use std::path::Path;

use proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use proto::inventory::v1::{
    ConfirmRequest, GetStockRequest, ReleaseRequest, ReservationLine, ReserveRequest,
    ReserveResponse, confirm_response, reserve_response,
};
use telemetry_testing::{Child, Matcher, Point, PointKind, Sink, poll_async, tree};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The trace of every call below; each test has a sink of its own.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

pub(crate) const PLENTY: &str = "p-1001";
pub(crate) const SCARCE: &str = "p-1012";

pub(crate) struct Inventory {
    pub(crate) sink: Sink,
    pub(crate) child: Child,
    client: InventoryServiceClient<Channel>,
}

impl Inventory {
    /// With faults switched on.
    pub(crate) fn start() -> Self {
        Self::start_with(&[("SHOP_FAULTS", "on")])
    }

    pub(crate) fn start_with(more: &[(&'static str, &str)]) -> Self {
        let sink = Sink::start();
        let mut env = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_BLRP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100".to_owned()),
        ];
        env.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let child = Child::spawn(Path::new(env!("CARGO_BIN_EXE_inventory")), &env);
        let endpoint = Endpoint::try_from(format!("http://{}", child.listening())).unwrap();
        Self {
            client: InventoryServiceClient::new(endpoint.connect_lazy()),
            sink,
            child,
        }
    }

    pub(crate) fn client(&self) -> InventoryServiceClient<Channel> {
        self.client.clone()
    }

    pub(crate) async fn level(&self, product: &str) -> i64 {
        let request = call(GetStockRequest {
            product_ids: vec![product.to_owned()],
        });
        let levels = self.client().get_stock(request).await.unwrap().into_inner();
        levels.levels[0].available
    }

    pub(crate) async fn reserve(
        &self,
        order: &str,
        lines: &[(&str, i64)],
    ) -> Result<ReserveResponse, Status> {
        let answer = self.client().reserve(reservation(order, lines)).await?;
        Ok(answer.into_inner())
    }

    /// Reserves what must be there.
    pub(crate) async fn reserved(&self, order: &str, lines: &[(&str, i64)]) {
        let answer = self.reserve(order, lines).await.unwrap();
        assert_eq!(
            answer.outcome(),
            reserve_response::Outcome::Reserved,
            "{answer:?}"
        );
    }

    pub(crate) async fn release(&self, order: &str) -> Result<(), Status> {
        let order_id = order.to_owned();
        self.client()
            .release(call(ReleaseRequest { order_id }))
            .await
            .map(drop)
    }

    pub(crate) async fn confirm(&self, order: &str) -> Result<confirm_response::Outcome, Status> {
        let order_id = order.to_owned();
        let answer = self
            .client()
            .confirm(call(ConfirmRequest { order_id }))
            .await?;
        Ok(answer.into_inner().outcome())
    }

    pub(crate) fn reservations(&self, outcome: &str) -> Matcher<Point> {
        self.sink
            .metric("shop.inventory.reservations")
            .unit("{reservation}")
            .attribute("shop.reservation.outcome", outcome)
    }

    pub(crate) fn open_reservations(&self) -> Matcher<Point> {
        self.sink
            .metric("shop.inventory.open_reservations")
            .kind(PointKind::UpDownCounter)
            .unit("{reservation}")
    }

    /// Waits until the spans of the trace have this shape. All have the caller as their ancestor, whom the sink never sees.
    pub(crate) async fn has_tree(&self, expected: &str) {
        poll_async("the spans of the trace", || {
            match tree::render(&self.sink.trace(TRACE)) {
                tree if tree == expected => Ok(()),
                tree => Err(tree),
            }
        })
        .await;
    }
}

pub(crate) fn reservation(order: &str, lines: &[(&str, i64)]) -> Request<ReserveRequest> {
    let line = |(product, quantity): &(&str, i64)| ReservationLine {
        product_id: (*product).to_owned(),
        quantity: *quantity,
    };
    call(ReserveRequest {
        order_id: order.to_owned(),
        lines: lines.iter().map(line).collect(),
    })
}

pub(crate) fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", parent);
    request
}

pub(crate) fn under<T>(fault: &str, mut request: Request<T>) -> Request<T> {
    let baggage = format!("shop.fault={fault}").parse().unwrap();
    request.metadata_mut().insert("baggage", baggage);
    request
}
