//! Confirming stored orders: once in the call that placed them, and by the reconciler where that did not get through.

use std::time::Duration;

use contract::{attributes, events};
use slog::{Logger, error, warn};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Span, instrument};
use uuid::Uuid;

use crate::backlog::Backlog;
use crate::clients::Inventory;
use crate::domain::State;
use crate::error::CallError;
use crate::store::{Key, Store, StoreError};

/// Waits between two rounds that left something behind: doubled from the first to the second.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Most orders of one round.
const ROUND: usize = 100;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfirmError {
    #[error("the reservation could not be confirmed")]
    Call(#[from] CallError),
    #[error("the confirmation could not be stored")]
    Store(#[from] StoreError),
}

/// Confirms the reservation of one stored order, and stores what inventory said. May be repeated, also by two at once: the state
/// it returns is the stored one, which all of them see.
pub(crate) async fn settle(
    inventory: &Inventory,
    store: &Store,
    order_id: Uuid,
    key: Key,
) -> Result<State, ConfirmError> {
    let state = if inventory.confirm(order_id).await? {
        State::Confirmed
    } else {
        State::Cancelled
    };
    Ok(store.settle(order_id, state, key).await?)
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
/// It sleeps until there is something to do: an idle service asks nobody anything and makes no spans.
pub(crate) struct Reconciler {
    pub(crate) inventory: Inventory,
    pub(crate) store: Store,
    pub(crate) backlog: Backlog,
    pub(crate) log: Logger,
}

impl Reconciler {
    pub(crate) async fn run(self, stopping: CancellationToken) {
        let mut wait = FIRST_WAIT;
        while stopping
            .run_until_cancelled(self.backlog.filled())
            .await
            .is_some()
        {
            match self.round(&stopping).await {
                Ok(()) => wait = FIRST_WAIT,
                Err(error) => {
                    warn!(self.log, "orders are not confirmed yet: {}", self.backlog.len();
                        "event.name" => events::ORDER_UNCONFIRMED, "error" => #error);
                    let pause = tokio::time::sleep(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                    // Not woken early: a dependency that is down would be asked at the pace of the orders.
                    stopping.run_until_cancelled(pause).await;
                }
            }
        }
    }

    /// One trace: it must end, however many orders there are.
    #[instrument(name = "order.confirm", skip_all, fields(otel.status_code = Empty, otel.status_description = Empty, error.type = Empty))]
    async fn round(&self, stopping: &CancellationToken) -> Result<(), ConfirmError> {
        let tried = self.settle_some(stopping).await;
        tried.inspect_err(|error| mark(&Span::current(), error))
    }

    /// The first error ends the round, as the next order would most likely meet it too.
    async fn settle_some(&self, stopping: &CancellationToken) -> Result<(), ConfirmError> {
        for order_id in self.backlog.first(ROUND) {
            // What is left is left to the next run.
            if stopping.is_cancelled() {
                break;
            }
            // Its caller heard that the order is placed, or nothing.
            match settle(&self.inventory, &self.store, order_id, Key::Keep).await {
                Ok(State::Cancelled) => {
                    error!(self.log, "order cancelled, its stock was gone";
                        "event.name" => events::ORDER_FAILED, attributes::ORDER_ID => %order_id);
                }
                Ok(State::Placed | State::Confirmed) => {}
                Err(error) => {
                    self.backlog.postpone();
                    return Err(error);
                }
            }
            self.backlog.remove();
        }
        Ok(())
    }
}
