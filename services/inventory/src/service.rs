//! The inventory over gRPC.

use std::time::Duration;

use contract::spans::{INVENTORY_CONFIRM, INVENTORY_RELEASE, INVENTORY_RESERVE};
use contract::{attributes, events};
use hosting::fault::Fault;
use proto::inventory::v1 as wire;
use proto::inventory::v1::inventory_service_server::InventoryService;
use slog::{Logger, error, info};
use tonic::{Request, Response, Status};
use tracing::Span;
use tracing::field::Empty;

use crate::error::Error;
use crate::metrics::{Metrics, Outcome};
use crate::reservation::{self, Confirmed, Lines, OrderId, Released, Reserved};
use crate::store::Store;
use crate::sweeper::now;

/// How long a reservation takes under `inventory-timeout`: longer than order waits.
const TOO_LONG: Duration = Duration::from_secs(4);

pub(crate) struct Inventory {
    store: Store,
    metrics: Metrics,
    faults: bool,
    log: Logger,
}

impl Inventory {
    pub(crate) fn new(store: Store, metrics: Metrics, faults: bool, log: Logger) -> Self {
        Self {
            store,
            metrics,
            faults,
            log,
        }
    }

    #[tracing::instrument(
        name = INVENTORY_RESERVE,
        skip_all,
        fields(shop.order.id = order.as_str(), shop.reservation.outcome = Empty, otel.status_code = Empty)
    )]
    async fn take(&self, order: &OrderId, lines: &Lines) -> Result<Reserved, Error> {
        if let Some(fault @ Fault::InventoryTimeout) = Fault::current(self.faults) {
            fault.announce(&self.log);
            // Before the store: a caller that gives up meanwhile drops this future, and leaves nothing behind.
            tokio::time::sleep(TOO_LONG).await;
        }
        let reserved = self.heard(order, self.store.reserve(order, lines, now()).await)?;
        match &reserved {
            Reserved::Taken => {
                record(Outcome::Reserved);
                info!(self.log, "stock was reserved"; "event.name" => events::INVENTORY_RESERVED,
                    attributes::ORDER_ID => order.as_str());
            }
            Reserved::Rejected(shortages) => {
                self.metrics.count(Outcome::Rejected, 1);
                record(Outcome::Rejected);
                let first = shortages.first().map(|shortage| &*shortage.product_id);
                info!(self.log, "there is too little stock"; "event.name" => events::INVENTORY_RESERVATION_REJECTED,
                    attributes::ORDER_ID => order.as_str(), attributes::PRODUCT_ID => first);
            }
            Reserved::Already => {}
        }
        Ok(reserved)
    }

    #[tracing::instrument(
        name = INVENTORY_RELEASE,
        skip_all,
        fields(shop.order.id = order.as_str(), shop.reservation.outcome = Empty, otel.status_code = Empty)
    )]
    async fn give_back(&self, order: &OrderId) -> Result<(), Error> {
        if self.heard(order, self.store.release(order, now()).await)? == Released::Returned {
            record(Outcome::Released);
            info!(self.log, "stock was given back"; "event.name" => events::INVENTORY_RELEASED,
                attributes::ORDER_ID => order.as_str());
        }
        Ok(())
    }

    #[tracing::instrument(
        name = INVENTORY_CONFIRM,
        skip_all,
        fields(shop.order.id = order.as_str(), shop.reservation.outcome = Empty, otel.status_code = Empty)
    )]
    async fn settle(&self, order: &OrderId) -> Result<Confirmed, Error> {
        let confirmed = self.heard(order, self.store.confirm(order, now()).await)?;
        if confirmed == Confirmed::Now {
            record(Outcome::Confirmed);
        }
        Ok(confirmed)
    }

    /// Logs a failure and marks the span. What the caller did wrong is the caller's to log.
    fn heard<T>(&self, order: &OrderId, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(failure) = &result
            && failure.is_failure()
        {
            Span::current().record("otel.status_code", "ERROR");
            error!(self.log, "the stock could not be changed";
                "event.name" => events::STORE_FAILED,
                attributes::ORDER_ID => order.as_str(), "error" => #failure);
        }
        result
    }
}

fn record(outcome: Outcome) {
    Span::current().record(attributes::RESERVATION_OUTCOME, outcome.name());
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn get_stock(
        &self,
        request: Request<wire::GetStockRequest>,
    ) -> Result<Response<wire::GetStockResponse>, Status> {
        let products = request.into_inner().product_ids;
        reservation::check_products(&products).map_err(Error::from)?;
        let levels = self.store.levels(&products).await.inspect_err(|failure| {
            error!(self.log, "the stock could not be read"; "event.name" => events::STORE_FAILED, "error" => #failure);
        })?;
        let level = |(product_id, available)| wire::StockLevel {
            product_id,
            available,
        };
        Ok(Response::new(wire::GetStockResponse {
            levels: levels.into_iter().map(level).collect(),
        }))
    }

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::ReserveResponse>, Status> {
        let request = request.into_inner();
        let order = OrderId::parse(&request.order_id).map_err(Error::from)?;
        let lines = request
            .lines
            .iter()
            .map(|line| (&*line.product_id, line.quantity));
        let lines = Lines::parse(lines).map_err(Error::from)?;
        let (outcome, shortages) = match self.take(&order, &lines).await? {
            Reserved::Taken | Reserved::Already => {
                (wire::reserve_response::Outcome::Reserved, vec![])
            }
            Reserved::Rejected(shortages) => (wire::reserve_response::Outcome::Rejected, shortages),
        };
        let shortage = |shortage: reservation::Shortage| wire::Shortage {
            product_id: shortage.product_id,
            requested: shortage.requested,
            available: shortage.available,
        };
        Ok(Response::new(wire::ReserveResponse {
            outcome: outcome.into(),
            shortages: shortages.into_iter().map(shortage).collect(),
        }))
    }

    async fn release(
        &self,
        request: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        let order = OrderId::parse(&request.into_inner().order_id).map_err(Error::from)?;
        self.give_back(&order).await?;
        Ok(Response::new(wire::ReleaseResponse {}))
    }

    async fn confirm(
        &self,
        request: Request<wire::ConfirmRequest>,
    ) -> Result<Response<wire::ConfirmResponse>, Status> {
        let order = OrderId::parse(&request.into_inner().order_id).map_err(Error::from)?;
        let outcome = match self.settle(&order).await? {
            Confirmed::Now | Confirmed::Already => wire::confirm_response::Outcome::Confirmed,
            Confirmed::Expired => wire::confirm_response::Outcome::Expired,
        };
        Ok(Response::new(wire::ConfirmResponse {
            outcome: outcome.into(),
        }))
    }
}
