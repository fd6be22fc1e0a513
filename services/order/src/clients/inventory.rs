//! Inventory over gRPC.

use std::time::Duration;

use hosting::grpc::{Channel, channel};
use http::Uri;
use proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use proto::inventory::v1::{
    ConfirmRequest, ReleaseRequest, ReservationLine, ReserveRequest, confirm_response,
    reserve_response,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::domain::Order;
use crate::error::CallError;

const NAME: &str = "inventory";

/// How long inventory may take to confirm or release: nobody waits for stock there.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct Inventory {
    reserving: InventoryServiceClient<Channel>,
    settling: InventoryServiceClient<Channel>,
}

pub(crate) enum Reserved {
    Held,
    Rejected(Vec<Shortage>),
}

/// Too little of one product.
pub(crate) struct Shortage {
    pub(crate) product_id: String,
    pub(crate) requested: i64,
    pub(crate) available: i64,
}

/// A Reserve that did not succeed.
pub(crate) struct Refused {
    pub(crate) error: CallError,
    /// Inventory said no and holds nothing. Otherwise nobody knows: a deadline or a lost connection says nothing about the other end.
    pub(crate) is_certain: bool,
}

impl Inventory {
    pub(crate) fn new(target: &Uri, reserve_timeout: Duration) -> Self {
        Self {
            reserving: InventoryServiceClient::new(channel(target, reserve_timeout)),
            settling: InventoryServiceClient::new(channel(target, SETTLE_TIMEOUT)),
        }
    }

    pub(crate) async fn reserve(&self, order: &Order) -> Result<Reserved, Refused> {
        let lines = order.lines.iter().map(|line| ReservationLine {
            product_id: line.product_id.to_string(),
            quantity: line.quantity,
        });
        let request = ReserveRequest {
            order_id: order.id.to_string(),
            lines: lines.collect(),
        };
        let answer = self
            .reserving
            .clone()
            .reserve(request)
            .await
            .map_err(refused)?
            .into_inner();
        match answer.outcome() {
            reserve_response::Outcome::Reserved => Ok(Reserved::Held),
            reserve_response::Outcome::Rejected => {
                let shortages = answer.shortages.into_iter().map(|short| Shortage {
                    product_id: short.product_id,
                    requested: short.requested,
                    available: short.available,
                });
                Ok(Reserved::Rejected(shortages.collect()))
            }
            reserve_response::Outcome::Unspecified => Err(refused(unknown_outcome())),
        }
    }

    /// True: the stock is taken for good. False: it was given back before.
    pub(crate) async fn confirm(&self, order_id: Uuid) -> Result<bool, CallError> {
        let request = ConfirmRequest {
            order_id: order_id.to_string(),
        };
        match self.settling.clone().confirm(request).await {
            Ok(answer) => match answer.into_inner().outcome() {
                confirm_response::Outcome::Confirmed => Ok(true),
                confirm_response::Outcome::Expired => Ok(false),
                confirm_response::Outcome::Unspecified => {
                    Err(CallError::grpc(NAME, unknown_outcome()))
                }
            },
            // Never reserved, or released.
            Err(status) if matches!(status.code(), Code::NotFound | Code::Aborted) => Ok(false),
            Err(status) => Err(CallError::grpc(NAME, status)),
        }
    }

    pub(crate) async fn release(&self, order_id: Uuid) -> Result<(), CallError> {
        let request = ReleaseRequest {
            order_id: order_id.to_string(),
        };
        let released = self.settling.clone().release(request).await;
        released
            .map(drop)
            .map_err(|status| CallError::grpc(NAME, status))
    }
}

fn refused(status: Status) -> Refused {
    let is_certain = matches!(
        status.code(),
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::Aborted
    );
    Refused {
        error: CallError::grpc(NAME, status),
        is_certain,
    }
}

fn unknown_outcome() -> Status {
    Status::unknown("the outcome is none of those that this version knows")
}
