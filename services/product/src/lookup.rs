//! One product by its id, and the faults that act there.

use std::time::Duration;

use contract::spans::PRODUCT_LOOKUP;
use contract::{attributes, events};
use hosting::fault::Fault;
use slog::{Logger, error};
use tracing::Span;
use tracing::field::Empty;

use crate::catalogue::{LookupError, Product, ProductId};
use crate::store::Store;

/// How long a lookup takes under `long-request`: long to look at, short of every limit.
const LONG: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Lookup {
    store: Store,
    faults: bool,
    log: Logger,
}

impl Lookup {
    pub(crate) fn new(store: Store, faults: bool, log: Logger) -> Self {
        Self { store, faults, log }
    }

    /// A failure is logged here, and marks the span.
    #[tracing::instrument(
        name = PRODUCT_LOOKUP,
        skip_all,
        fields(shop.product.id = id.as_str(), otel.status_code = Empty, error.type = Empty)
    )]
    pub(crate) async fn product(&self, id: &ProductId) -> Result<Product, LookupError> {
        let found = self.find(id).await;
        if let Err(failure) = &found
            && !matches!(failure, LookupError::Unknown)
        {
            Span::current()
                .record("otel.status_code", "ERROR")
                .record("error.type", failure.class());
            error!(self.log, "a product could not be looked up"; "event.name" => events::PRODUCT_LOOKUP_FAILED,
                attributes::PRODUCT_ID => id.as_str(), "error.type" => failure.class(), "error" => #failure);
        }
        found
    }

    async fn find(&self, id: &ProductId) -> Result<Product, LookupError> {
        match Fault::current(self.faults) {
            Some(fault @ Fault::ProductError) => {
                fault.announce(&self.log);
                return Err(LookupError::Injected);
            }
            Some(fault @ Fault::LongRequest) => {
                fault.announce(&self.log);
                tokio::time::sleep(LONG).await;
            }
            Some(Fault::InventoryTimeout) | None => {}
        }
        let found = self.store.find(id).await.map_err(LookupError::Store)?;
        found.ok_or(LookupError::Unknown)
    }
}

impl LookupError {
    /// Its `error.type`.
    fn class(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown_product",
            Self::Injected => "injected",
            Self::Store(_) => "store",
        }
    }
}
