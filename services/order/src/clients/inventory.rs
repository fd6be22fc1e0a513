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

/// How much longer than a Reserve a Confirm or Release is waited for. All want inventory's one writer: where it is too slow for
/// everybody, those must give up first that hold nothing yet, or stock is reserved and never confirmed.
const LONGER: Duration = Duration::from_secs(1);

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
            settling: InventoryServiceClient::new(channel(
                target,
                reserve_timeout.saturating_add(LONGER),
            )),
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

    /// True: the stock is taken for good. False: it is given back for good. Whoever asks again hears the same.
    pub(crate) async fn confirm(&self, order_id: Uuid) -> Result<bool, CallError> {
        let request = ConfirmRequest {
            order_id: order_id.to_string(),
        };
        match self.settling.clone().confirm(request).await {
            Ok(answer) => match answer.into_inner().outcome() {
                confirm_response::Outcome::Confirmed => Ok(true),
                confirm_response::Outcome::Expired => self.bar(order_id).await,
                confirm_response::Outcome::Unspecified => {
                    Err(CallError::grpc(NAME, unknown_outcome()))
                }
            },
            // Never reserved, or released.
            Err(status) if matches!(status.code(), Code::NotFound | Code::Aborted) => {
                self.bar(order_id).await
            }
            Err(status) => Err(CallError::grpc(NAME, status)),
        }
    }

    /// Makes the answer that nothing is held a final one: with stock that comes back, a Confirm of somebody else could still
    /// succeed, and the order would be cancelled with its stock taken. A release is remembered. True if that Confirm came first.
    async fn bar(&self, order_id: Uuid) -> Result<bool, CallError> {
        match self.send_release(order_id).await {
            Ok(()) => Ok(false),
            Err(status) if status.code() == Code::FailedPrecondition => Ok(true),
            Err(status) => Err(CallError::grpc(NAME, status)),
        }
    }

    pub(crate) async fn release(&self, order_id: Uuid) -> Result<(), CallError> {
        let released = self.send_release(order_id).await;
        released.map_err(|status| CallError::grpc(NAME, status))
    }

    async fn send_release(&self, order_id: Uuid) -> Result<(), Status> {
        let request = ReleaseRequest {
            order_id: order_id.to_string(),
        };
        self.settling.clone().release(request).await.map(drop)
    }
}

fn refused(status: Status) -> Refused {
    let is_certain = match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::Aborted => true,
        // Too many were waiting, says inventory. With a source it is the connection that says so, after whatever happened there.
        Code::ResourceExhausted => std::error::Error::source(&status).is_none(),
        _ => false,
    };
    Refused {
        error: CallError::grpc(NAME, status),
        is_certain,
    }
}

fn unknown_outcome() -> Status {
    Status::unknown("the outcome is none of those that this version knows")
}
