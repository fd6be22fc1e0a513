//! The gRPC face: wire types in, wire types out, one log record and one count per call.

use std::time::{Duration, UNIX_EPOCH};

use contract::{attributes, events};
use hosting::money::Money;
use proto::order::v1::order_service_server::OrderService;
use proto::order::v1::{self, place_order_response};
use slog::{error, info};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::clients::Shortage;
use crate::domain::{Basket, IdempotencyKey, Order, State};
use crate::error::OrderError;
use crate::metrics::{Attempt, Outcome};
use crate::place::{Placement, Placing};

pub(crate) struct Orders {
    pub(crate) placing: Placing,
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn place_order(
        &self,
        request: Request<v1::PlaceOrderRequest>,
    ) -> Result<Response<v1::PlaceOrderResponse>, Status> {
        let attempt = self.placing.metrics.attempt();
        let outcome = match self.place(&request.into_inner(), &attempt).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.placing.failed(&attempt, &error);
                return Err(Status::from(&error));
            }
        };
        Ok(Response::new(v1::PlaceOrderResponse {
            outcome: Some(outcome),
        }))
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::GetOrderResponse>, Status> {
        // What is no UUID is no order of ours either.
        let found = match Uuid::parse_str(&request.into_inner().order_id) {
            Ok(order_id) => self
                .placing
                .store
                .by_id(order_id)
                .await
                .map_err(OrderError::Store),
            Err(_) => Ok(None),
        };
        match found.and_then(|order| order.ok_or(OrderError::UnknownOrder)) {
            Ok(order) => Ok(Response::new(v1::GetOrderResponse {
                order: Some(order.into()),
            })),
            Err(error) => {
                if error.outcome() == Outcome::Failed {
                    error!(self.placing.log, "order could not be read"; "event.name" => events::STORE_FAILED, "error" => #&error);
                }
                Err(Status::from(&error))
            }
        }
    }
}

impl Orders {
    async fn place(
        &self,
        request: &v1::PlaceOrderRequest,
        attempt: &Attempt,
    ) -> Result<place_order_response::Outcome, OrderError> {
        let items = request
            .items
            .iter()
            .map(|item| (item.product_id.as_str(), item.quantity));
        let basket = Basket::parse(items)?;
        let key = IdempotencyKey::parse(&request.idempotency_key)?;
        let (outcome, answer) = match self.placing.place(&basket, key.as_ref(), attempt).await? {
            Placement::Placed(order) => (
                Outcome::Placed,
                place_order_response::Outcome::Placed(order.into()),
            ),
            Placement::Repeated(order) => (
                Outcome::Repeated,
                place_order_response::Outcome::Placed(order.into()),
            ),
            Placement::Rejected(shortages) => {
                info!(self.placing.log, "order rejected, out of stock";
                    "event.name" => events::ORDER_REJECTED,
                    attributes::ORDER_OUTCOME => "rejected",
                    attributes::ORDER_SHORTAGES => shortages.len());
                let shortages = shortages.into_iter().map(v1::Shortage::from).collect();
                let rejection = v1::Rejection { shortages };
                (
                    Outcome::Rejected,
                    place_order_response::Outcome::Rejected(rejection),
                )
            }
        };
        attempt.settle(outcome);
        Ok(answer)
    }
}

// === conversions ===

impl From<Order> for v1::Order {
    fn from(order: Order) -> Self {
        let status = match order.state {
            // Whether inventory has confirmed yet is between the two services.
            State::Placed | State::Confirmed => v1::OrderStatus::Placed,
            State::Cancelled => v1::OrderStatus::Cancelled,
        };
        let created_at = u64::try_from(order.created_at).unwrap_or_default();
        let created_at = UNIX_EPOCH + Duration::from_millis(created_at);
        let items = order.lines.into_iter().map(|line| v1::PricedItem {
            product_id: line.product_id.to_string(),
            quantity: line.quantity,
            unit_price: Some(on_the_wire(line.unit_price)),
        });
        Self {
            order_id: order.id.to_string(),
            status: status.into(),
            items: items.collect(),
            total: Some(on_the_wire(order.total)),
            created_at: humantime::format_rfc3339_millis(created_at).to_string(),
        }
    }
}

impl From<Shortage> for v1::Shortage {
    fn from(shortage: Shortage) -> Self {
        let Shortage {
            product_id,
            requested,
            available,
        } = shortage;
        Self {
            product_id,
            requested,
            available,
        }
    }
}

fn on_the_wire(money: Money) -> v1::Money {
    v1::Money {
        amount: money.minor,
        currency: money.currency,
    }
}
