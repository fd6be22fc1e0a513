//! One order service, its stand-ins and its sink.

use std::path::{Path, PathBuf};

use contract::{attributes, metrics};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{Order, OrderItem, PlaceOrderRequest, place_order_response};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use telemetry_testing::{Child, Matcher, Point, Sink, poll_async};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::stand_in::{Inventory, Product};

pub(crate) const PLACE: &str = "shop.order.v1.OrderService/PlaceOrder";

pub(crate) struct Shop {
    pub(crate) sink: Sink,
    pub(crate) product: Product,
    pub(crate) inventory: Inventory,
    pub(crate) order: Child,
    pub(crate) client: OrderServiceClient<Channel>,
    env: Vec<(&'static str, String)>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// With further variables; they win over the defaults.
    pub(crate) async fn open_with(more: &[(&'static str, &str)]) -> Self {
        let (sink, product, inventory) = (Sink::start(), Product::default(), Inventory::default());
        let mut env = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_BLRP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100".to_owned()),
            (
                "SHOP_PRODUCT_URL",
                format!("http://{}", product.serve().await),
            ),
            (
                "SHOP_INVENTORY_URL",
                format!("http://{}", inventory.serve()),
            ),
        ];
        env.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let (order, client) = start(&env).await;
        Self {
            sink,
            product,
            inventory,
            order,
            client,
            env,
        }
    }

    /// A second order service, over the data of the first.
    pub(crate) async fn another(&self) -> (Child, OrderServiceClient<Channel>) {
        let mut env = self.env.clone();
        env.push(("SHOP_DATA_DIR", self.order.data_dir().display().to_string()));
        start(&env).await
    }

    pub(crate) async fn place(&self, items: &[(&str, i64)]) -> Result<Order, Status> {
        self.place_as("", items).await
    }

    /// Places an order that must not be rejected.
    pub(crate) async fn place_as(&self, key: &str, items: &[(&str, i64)]) -> Result<Order, Status> {
        let answer = self.client.clone().place_order(request(key, items)).await?;
        match answer.into_inner().outcome.unwrap() {
            place_order_response::Outcome::Placed(order) => Ok(order),
            place_order_response::Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }

    pub(crate) fn orders(&self, outcome: &str) -> Matcher<Point> {
        self.sink
            .metric(metrics::ORDERS)
            .unit("{order}")
            .attribute(attributes::ORDER_OUTCOME, outcome)
    }

    /// Waits until one order is counted with this outcome, and none with any other.
    pub(crate) async fn counted_one(&self, outcome: &str) {
        let counted = || self.orders(outcome).total_is(1.0);
        poll_async(&format!("one order to be counted as {outcome}"), counted).await;
        self.sink.metric(metrics::ORDERS).total_is(1.0).unwrap();
    }

    /// The service's own database, as another process sees it.
    pub(crate) async fn database(&self) -> SqliteConnection {
        let file = database_file(self.order.data_dir());
        SqliteConnectOptions::new()
            .filename(file)
            .connect()
            .await
            .unwrap()
    }

    /// Every stored order: its id and state.
    pub(crate) async fn stored(&self) -> Vec<(String, String)> {
        let query = sqlx::query_as("SELECT order_id, state FROM orders ORDER BY order_id");
        query.fetch_all(&mut self.database().await).await.unwrap()
    }
}

pub(crate) fn request(key: &str, items: &[(&str, i64)]) -> PlaceOrderRequest {
    let item = |(product_id, quantity): &(&str, i64)| OrderItem {
        product_id: (*product_id).to_owned(),
        quantity: *quantity,
    };
    PlaceOrderRequest {
        items: items.iter().map(item).collect(),
        idempotency_key: key.to_owned(),
    }
}

async fn start(env: &[(&'static str, String)]) -> (Child, OrderServiceClient<Channel>) {
    let order = Child::spawn(Path::new(env!("CARGO_BIN_EXE_order")), env);
    let address = order.listening();
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    (order, OrderServiceClient::new(channel))
}

fn database_file(data_dir: &Path) -> PathBuf {
    let is_database = |path: &PathBuf| path.extension().is_some_and(|end| end == "db");
    let mut files = std::fs::read_dir(data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.find(is_database).unwrap()
}
