//! Product over HTTP.

use std::time::Duration;

use hosting::client::{Client, Error};
use hosting::money::Money;
use http::{StatusCode, Uri};
use serde::Deserialize;

use crate::domain::ProductId;
use crate::error::{CallError, OrderError, Trouble};

const NAME: &str = "product";

/// How long one price may take: longer than the `long-request` scenario, shorter than the gateway waits for an order.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Products {
    client: Client,
    base: String,
}

#[derive(Deserialize)]
struct Product {
    price: Money,
}

impl Products {
    pub(crate) fn new(target: &Uri) -> Self {
        let base = target.to_string().trim_end_matches('/').to_owned();
        Self {
            client: Client::new(TIMEOUT),
            base,
        }
    }

    pub(crate) async fn price(&self, product_id: &ProductId) -> Result<Money, OrderError> {
        let failed = |trouble, source| OrderError::Price {
            product_id: product_id.clone(),
            source: CallError {
                service: NAME,
                trouble,
                source,
            },
        };
        // A product id needs no escaping: that is how it is defined.
        let uri = format!("{}/products/{product_id}", self.base);
        let uri = uri
            .parse::<Uri>()
            .map_err(|error| failed(Trouble::Failed, error.into()))?;
        let answer = self.client.get(uri, "/products/{id}").await;
        let answer = answer.map_err(|error| failed(trouble(&error), error.into()))?;
        let refused = |trouble| failed(trouble, format!("status {}", answer.status()).into());
        match answer.status() {
            StatusCode::OK => {
                let product = serde_json::from_slice::<Product>(answer.body());
                product
                    .map(|it| it.price)
                    .map_err(|error| failed(Trouble::Failed, error.into()))
            }
            StatusCode::NOT_FOUND => Err(OrderError::UnknownProduct(product_id.clone())),
            StatusCode::SERVICE_UNAVAILABLE => Err(refused(Trouble::Unavailable)),
            StatusCode::GATEWAY_TIMEOUT => Err(refused(Trouble::TooSlow)),
            _ => Err(refused(Trouble::Failed)),
        }
    }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Unreachable(_) => Trouble::Unreachable,
        Error::TimedOut(_) => Trouble::TooSlow,
        Error::Broken(_) | Error::TooLarge => Trouble::Failed,
    }
}
