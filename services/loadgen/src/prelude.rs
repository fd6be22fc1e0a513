//! Before a run: is there a shop, what does it sell, and is there enough of it?

use anyhow::{Context as _, ensure};
use http::uri::{Authority, PathAndQuery};
use serde::Deserialize;

use crate::client::Client;
use crate::mix::Route;
use crate::plan::Plan;
use crate::shape::{MAX_UNITS, Shapes, uri};

#[derive(Deserialize)]
struct Catalogue {
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    id: String,
    available: Option<u64>,
}

/// Asks for the catalogue and, if orders will be looked up, places one. Neither is in the figures.
pub async fn prepare(client: &Client, gateway: &Authority, plan: &Plan) -> anyhow::Result<Shapes> {
    let catalogue = uri(gateway, PathAndQuery::from_static("/api/products"));
    let (status, body) = client
        .get(catalogue.clone())
        .await
        .with_context(|| format!("no shop answers at {catalogue}: `just run` starts one"))?;
    ensure!(
        status.is_success(),
        "{catalogue} answered {status}: is the shop whole? `just status` shows it"
    );
    let catalogue: Catalogue = serde_json::from_slice(&body)
        .with_context(|| format!("what {catalogue} answered is no catalogue"))?;
    let products = in_stock(catalogue, plan)?;
    let mut shapes = Shapes::new(gateway.clone(), products, plan.seed);
    if plan.mix.has(Route::Order) {
        let order = shapes.next(Route::Orders);
        let answer = client.send(order).await;
        let location = answer.as_ref().ok().and_then(|it| it.location.as_deref());
        let location = location
            .with_context(|| format!("no order could be placed before the run: {answer:?}"))?;
        shapes.remember(location);
    }
    Ok(shapes)
}

/// The products that last even if every order of the run took all its units of them: stock is never refilled, and a shop that
/// has run out answers something else, faster.
fn in_stock(catalogue: Catalogue, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let needed = match plan.mix.has(Route::Orders) || plan.mix.has(Route::Order) {
        true => plan.arrivals().saturating_mul(MAX_UNITS),
        false => 0,
    };
    let most = catalogue
        .products
        .iter()
        .filter_map(|it| it.available)
        .max();
    let plenty = |product: &Product| product.available.unwrap_or(0) >= needed;
    let products: Vec<_> = catalogue
        .products
        .into_iter()
        .filter(plenty)
        .map(|product| product.id)
        .collect();
    ensure!(
        !products.is_empty(),
        "no product has {needed} units in stock, which this run might take of one (the most is {}): \
         ask for fewer, or start with full shelves: `just down --volumes`, `just run`",
        most.unwrap_or(0)
    );
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::Mix;
    use crate::plan::Amount;
    use std::time::Duration;

    fn chosen(mix: Mix, amount: Amount) -> anyhow::Result<Vec<String>> {
        let plan = Plan {
            rate: 10.0,
            warm_up: Duration::ZERO,
            amount,
            mix,
            in_flight: 1,
            timeout: Duration::from_secs(1),
            seed: 1,
        };
        let stock = |id: &str, available| Product {
            id: id.to_owned(),
            available,
        };
        let products = vec![
            stock("many", Some(60_000)),
            stock("scarce", Some(10)),
            stock("unknown", None),
        ];
        in_stock(Catalogue { products }, &plan)
    }

    fn seconds(seconds: u64) -> Amount {
        Amount::For(Duration::from_secs(seconds))
    }

    #[test]
    fn only_products_that_last_are_ordered() {
        assert_eq!(chosen(Mix::default(), seconds(10)).unwrap(), ["many"]);
    }

    #[test]
    fn a_run_that_would_sell_out_is_refused_with_both_numbers() {
        for amount in [seconds(1_001), Amount::Sent(10_010)] {
            let refused = chosen(Mix::default(), amount).unwrap_err().to_string();
            assert!(refused.contains("60060 units"), "{refused}");
            assert!(refused.contains("the most is 60000"), "{refused}");
        }
    }

    #[test]
    fn a_run_without_orders_needs_no_stock() {
        let looking: Mix = "product=1".parse().unwrap();
        assert_eq!(chosen(looking, seconds(10_000)).unwrap().len(), 3);
    }
}
