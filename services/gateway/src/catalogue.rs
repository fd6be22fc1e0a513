//! The catalogue: what product says about a product and what inventory has of it, asked at the same time.

use std::collections::HashMap;

use contract::events;
use serde::Serialize;
use slog::{Logger, warn};
use tracing::instrument;

use crate::clients::{Clients, Product};
use crate::failure::Failure;

/// A product with its stock.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) product: Product,
    /// `null` when inventory could not be asked: a catalogue without stock levels is still one.
    pub(crate) available: Option<i64>,
}

#[instrument(name = "catalogue.join", skip_all)]
pub(crate) async fn all(clients: &Clients, log: &Logger) -> Result<Vec<Entry>, Failure> {
    let (products, stock) = tokio::join!(clients.products(), stock(clients, Vec::new(), log));
    let entry = |product: Product| Entry {
        available: stock.of(&product.id),
        product,
    };
    Ok(products?.into_iter().map(entry).collect())
}

/// `id` must need no escaping in a path.
#[instrument(name = "catalogue.join", skip_all)]
pub(crate) async fn one(clients: &Clients, log: &Logger, id: &str) -> Result<Entry, Failure> {
    let (product, stock) = tokio::join!(
        clients.product(id),
        stock(clients, vec![id.to_owned()], log)
    );
    Ok(Entry {
        available: stock.of(id),
        product: product?,
    })
}

/// Levels by product; none if inventory did not answer.
struct Stock(Option<HashMap<String, i64>>);

impl Stock {
    /// Inventory leaves out what it never had.
    fn of(&self, id: &str) -> Option<i64> {
        self.0
            .as_ref()
            .map(|levels| levels.get(id).copied().unwrap_or(0))
    }
}

async fn stock(clients: &Clients, product_ids: Vec<String>, log: &Logger) -> Stock {
    let levels = clients.stock(product_ids).await;
    let levels = levels.inspect_err(|failure| {
        warn!(log, "catalogue without stock levels"; "event.name" => events::CATALOGUE_WITHOUT_STOCK, "error" => #failure);
    });
    Stock(levels.ok().map(|levels| levels.into_iter().collect()))
}
