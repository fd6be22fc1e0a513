//! Confirming stored orders: once in the call that placed them, and by the reconciler where that did not get through.

use std::sync::Arc;
use std::time::Duration;

use slog::{Logger, error, warn};
use telemetry::names::{attributes, events};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Span, instrument};
use uuid::Uuid;

use crate::clients::Inventory;
use crate::domain::State;
use crate::error::CallError;
use crate::store::{Store, StoreError};

/// Waits between two rounds that left something behind: doubled from the first to the second.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfirmError {
    #[error("the reservation could not be confirmed")]
    Call(#[from] CallError),
    #[error("the confirmation could not be stored")]
    Store(#[from] StoreError),
}

/// Confirms the reservation of one stored order, and stores what inventory said. May be repeated.
pub(crate) async fn settle(
    inventory: &Inventory,
    store: &Store,
    order_id: Uuid,
) -> Result<State, ConfirmError> {
    let state = if inventory.confirm(order_id).await? {
        State::Confirmed
    } else {
        State::Cancelled
    };
    store.settle(order_id, state).await?;
    Ok(state)
}

/// Marks the span of a confirmation that did not get through.
pub(crate) fn mark(span: &Span, error: &ConfirmError) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", error.to_string());
    let kind = match error {
        ConfirmError::Call(call) => call.trouble.kind(),
        ConfirmError::Store(_) => "store",
    };
    span.record("error.type", kind);
}

/// Repeats confirmations that did not get through, those of an earlier run included.
///
/// It sleeps until there may be something to do: an idle service asks its database nothing and makes no spans.
pub(crate) struct Reconciler {
    pub(crate) inventory: Inventory,
    pub(crate) store: Store,
    pub(crate) unconfirmed: Arc<Notify>,
    pub(crate) log: Logger,
}

impl Reconciler {
    pub(crate) async fn run(self, stopping: CancellationToken) {
        let mut wait = FIRST_WAIT;
        stopping
            .run_until_cancelled(self.unconfirmed.notified())
            .await;
        while !stopping.is_cancelled() {
            let idle = match self.round().await {
                Ok(()) => {
                    wait = FIRST_WAIT;
                    stopping
                        .run_until_cancelled(self.unconfirmed.notified())
                        .await
                }
                Err(error) => {
                    warn!(self.log, "orders are not confirmed yet"; "event.name" => events::ORDER_UNCONFIRMED, "error" => #error);
                    let pause = tokio::time::sleep(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                    // Not woken early: a dependency that is down would be asked at the pace of the orders.
                    stopping.run_until_cancelled(pause).await
                }
            };
            if idle.is_none() {
                return;
            }
        }
    }

    /// Tries every unconfirmed order once; the first error ends the round, as the next order would meet it too.
    #[instrument(name = "order.confirm", skip_all, fields(otel.status_code = Empty, otel.status_description = Empty, error.type = Empty))]
    async fn round(&self) -> Result<(), ConfirmError> {
        let tried = self.settle_all().await;
        tried.inspect_err(|error| mark(&Span::current(), error))
    }

    async fn settle_all(&self) -> Result<(), ConfirmError> {
        loop {
            let unconfirmed = self.store.unconfirmed().await?;
            if unconfirmed.is_empty() {
                return Ok(());
            }
            for order_id in unconfirmed {
                if settle(&self.inventory, &self.store, order_id).await? == State::Cancelled {
                    error!(self.log, "order cancelled, its stock was gone";
                        "event.name" => events::ORDER_FAILED, attributes::ORDER_ID => %order_id);
                }
            }
        }
    }
}
