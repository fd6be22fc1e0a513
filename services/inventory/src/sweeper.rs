//! The task behind `SHOP_RESERVATION_TTL`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::spans::INVENTORY_SWEEP;
use contract::{attributes, events};
use slog::{Logger, error, warn};
use telemetry::ServiceContext;
use tokio::time::{MissedTickBehavior, interval};

use crate::error::Error;
use crate::store::Store;

/// The wall clock, as the store counts it. A reservation must expire across a restart, so a monotonic clock would not do.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Looks for reservations past their time until the service is to stop. An idle system makes no spans.
pub(crate) async fn run(store: Store, ttl: Duration, ctx: ServiceContext) {
    // A reservation lives a quarter longer than its time at most.
    let every = (ttl / 4).clamp(Duration::from_millis(100), Duration::from_secs(5));
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ctx.stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        let swept = match store.has_due(now()).await {
            Ok(true) => sweep(&store, &ctx.log).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(failure) = swept {
            error!(ctx.log, "expired reservations could not be given back"; "event.name" => events::STORE_FAILED, "error" => #failure);
        }
    }
}

#[tracing::instrument(name = INVENTORY_SWEEP, skip_all)]
async fn sweep(store: &Store, log: &Logger) -> Result<(), Error> {
    let orders = store.sweep(now()).await?;
    for order in orders {
        warn!(log, "a reservation expired before it was confirmed"; "event.name" => events::INVENTORY_RESERVATION_EXPIRED,
            attributes::ORDER_ID => order);
    }
    Ok(())
}
