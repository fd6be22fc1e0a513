//! Stock that inventory holds, or may hold, for an order that is not stored yet.

use contract::{attributes, events};
use slog::{Logger, info, warn};
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Span, info_span};
use uuid::Uuid;

use crate::clients::Inventory;

/// Dropped before [`keep`](Self::keep), it gives the stock back: after an error, and when the caller goes away
/// and drops the whole call. What does not get through is left to inventory's sweeper.
pub(crate) struct Reservation {
    release: Option<Box<Release>>,
    tasks: TaskTracker,
    /// The span the reservation was made in: the drop may happen outside of it.
    made_in: Span,
}

struct Release {
    inventory: Inventory,
    order_id: Uuid,
    log: Logger,
}

impl Reservation {
    /// Made before the Reserve call is sent: from then on inventory may hold something.
    pub(crate) fn new(
        inventory: &Inventory,
        order_id: Uuid,
        tasks: &TaskTracker,
        log: &Logger,
    ) -> Self {
        let release = Release {
            inventory: inventory.clone(),
            order_id,
            log: log.clone(),
        };
        Self {
            release: Some(Box::new(release)),
            tasks: tasks.clone(),
            made_in: Span::current(),
        }
    }

    /// There is nothing to give back: the order is stored, or nothing was reserved.
    pub(crate) fn keep(mut self) {
        self.release = None;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            let span = self.made_in.in_scope(|| {
                info_span!(
                    "order.release",
                    shop.order.id = %release.order_id,
                    otel.status_code = Empty,
                    error.r#type = Empty,
                )
            });
            // Entered, as `spawn` takes the trace from here: the span the stock was reserved in must not last as long as the release.
            let _entered = span.enter();
            // Nobody waits for the answer, only the drain does.
            drop(telemetry::spawn(self.tasks.track_future(release.run())));
        }
    }
}

impl Release {
    async fn run(self: Box<Self>) {
        let order_id = self.order_id;
        match self.inventory.release(order_id).await {
            Ok(()) => info!(self.log, "stock released";
                "event.name" => events::ORDER_RELEASED, attributes::ORDER_ID => %order_id),
            Err(error) => {
                let span = Span::current();
                span.record("otel.status_code", "ERROR");
                span.record("error.type", error.trouble.kind());
                warn!(self.log, "stock could not be released, it will expire";
                    "event.name" => events::ORDER_RELEASE_FAILED,
                    attributes::ORDER_ID => %order_id, "error" => #error);
            }
        }
    }
}
