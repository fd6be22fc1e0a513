//! The three services behind the gateway: instrumented, each call with its deadline.

use std::time::Duration;

use hosting::client::{Client, Error};
use hosting::grpc::{Channel, channel};
use hosting::health::Check;
use hosting::money::Money;
use http::{StatusCode, Uri};
use proto::inventory::v1::GetStockRequest;
use proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::place_order_response::Outcome;
use proto::order::v1::{GetOrderRequest, Order, PlaceOrderRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Config;
use crate::failure::{Failure, Shortage, Trouble};

/// Each is longer than the deadlines below it, so that the service that waited in vain is the one that says so. Those below order
/// come one after the other: 10 s for prices, 3 s to reserve, 4 s to confirm.
const ORDER_TIMEOUT: Duration = Duration::from_secs(18);
const PRODUCT_TIMEOUT: Duration = Duration::from_secs(10);
const STOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// Who asks whether we are ready does not wait long.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Clients {
    product: Client,
    product_base: String,
    inventory: InventoryServiceClient<Channel>,
    order: OrderServiceClient<Channel>,
}

/// A product as product describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Money,
}

#[derive(Deserialize)]
struct Products {
    products: Vec<Product>,
}

impl Clients {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            product: Client::new(PRODUCT_TIMEOUT),
            product_base: config.product.to_string().trim_end_matches('/').to_owned(),
            inventory: InventoryServiceClient::new(channel(&config.inventory, STOCK_TIMEOUT)),
            order: OrderServiceClient::new(channel(&config.order, ORDER_TIMEOUT)),
        }
    }

    pub(crate) async fn products(&self) -> Result<Vec<Product>, Failure> {
        let answer = self.get::<Products>("/products", "/products").await?;
        Ok(answer.products)
    }

    /// `id` must need no escaping in a path.
    pub(crate) async fn product(&self, id: &str) -> Result<Product, Failure> {
        self.get(&format!("/products/{id}"), "/products/{id}").await
    }

    /// The stock of these products, or of all if none is named. What inventory does not know is left out.
    pub(crate) async fn stock(
        &self,
        product_ids: Vec<String>,
    ) -> Result<Vec<(String, i64)>, Failure> {
        let request = GetStockRequest { product_ids };
        let answer = self.inventory.clone().get_stock(request).await;
        let levels = answer
            .map_err(|status| Failure::grpc("inventory", status))?
            .into_inner()
            .levels;
        Ok(levels
            .into_iter()
            .map(|level| (level.product_id, level.available))
            .collect())
    }

    pub(crate) async fn place(&self, request: PlaceOrderRequest) -> Result<Order, Failure> {
        let answer = self
            .order
            .clone()
            .place_order(request)
            .await
            .map_err(Failure::placing)?;
        match answer.into_inner().outcome {
            Some(Outcome::Placed(order)) => Ok(order),
            Some(Outcome::Rejected(rejection)) => {
                let shortages = rejection.shortages.into_iter().map(|short| Shortage {
                    product_id: short.product_id,
                    requested: short.requested,
                    available: short.available,
                });
                Err(Failure::OutOfStock(shortages.collect()))
            }
            None => Err(nothing_in_it()),
        }
    }

    pub(crate) async fn order(&self, order_id: String) -> Result<Order, Failure> {
        let answer = self
            .order
            .clone()
            .get_order(GetOrderRequest { order_id })
            .await;
        let answer = answer.map_err(|status| Failure::grpc("order", status))?;
        answer.into_inner().order.ok_or_else(nothing_in_it)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        template: &'static str,
    ) -> Result<T, Failure> {
        let failed = |trouble, source| Failure::Upstream {
            service: "product",
            trouble,
            source,
        };
        let uri = format!("{}{path}", self.product_base).parse::<Uri>();
        let uri = uri.map_err(|error| failed(Trouble::Failed, error.into()))?;
        let answer = self.product.get(uri, template).await;
        let answer = answer.map_err(|error| failed(trouble(&error), error.into()))?;
        let refused = |trouble| failed(trouble, format!("status {}", answer.status()).into());
        match answer.status() {
            StatusCode::OK => serde_json::from_slice(answer.body())
                .map_err(|error| failed(Trouble::Failed, error.into())),
            StatusCode::NOT_FOUND => Err(Failure::NotFound("product")),
            StatusCode::SERVICE_UNAVAILABLE => Err(refused(Trouble::Unavailable)),
            StatusCode::GATEWAY_TIMEOUT => Err(refused(Trouble::TooSlow)),
            _ => Err(refused(Trouble::Failed)),
        }
    }
}

/// What `/readyz` asks: the three services, each the way its own kind is asked.
pub(crate) fn checks(config: &Config) -> Vec<Check> {
    let client = Client::new(HEALTH_TIMEOUT);
    let product = format!(
        "{}/healthz",
        config.product.to_string().trim_end_matches('/')
    );
    let product = Check::new("product", move || {
        let (client, uri) = (client.clone(), product.parse::<Uri>());
        async move {
            let status = client.get(uri?, "/healthz").await?.status();
            anyhow::ensure!(status.is_success(), "status {status}");
            Ok(())
        }
    });
    vec![
        product,
        serving("inventory", &config.inventory),
        serving("order", &config.order),
    ]
}

fn serving(name: &'static str, target: &Uri) -> Check {
    let client = HealthClient::new(channel(target, HEALTH_TIMEOUT));
    Check::new(name, move || {
        let mut client = client.clone();
        async move {
            let answer = client
                .check(HealthCheckRequest::default())
                .await?
                .into_inner();
            let status = answer.status();
            anyhow::ensure!(status == ServingStatus::Serving, "{}", status.as_str_name());
            Ok(())
        }
    })
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Unreachable(_) => Trouble::Unreachable,
        Error::TimedOut(_) => Trouble::TooSlow,
        Error::Broken(_) | Error::TooLarge => Trouble::Failed,
    }
}

fn nothing_in_it() -> Failure {
    Failure::grpc("order", Status::unknown("the answer has no order in it"))
}
