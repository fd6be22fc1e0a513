//! One order under a fault, so that what goes wrong can be looked at in three signals.

use std::cmp::Reverse;
use std::time::Instant;

use contract::attributes;
use hosting::fault::Fault;
use proto::order::v1::{OrderItem, PlaceOrderRequest};
use slog::Logger;
use tracing::field::Empty;
use tracing::{Span, instrument};

use crate::catalogue::{self, Entry};
use crate::clients::Clients;
use crate::failure::Failure;
use crate::orders::View;

/// Most pieces of one product that an order may ask for.
const MAX_QUANTITY: i64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Normal,
    Faulty(Fault),
    OutOfStock,
}

/// A scenario that ran.
pub(crate) struct Run {
    pub(crate) result: Result<View, Failure>,
    pub(crate) duration_ms: u64,
}

impl Scenario {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "normal" => Some(Self::Normal),
            "out-of-stock" => Some(Self::OutOfStock),
            _ => Fault::named(name).map(Self::Faulty),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::OutOfStock => "out-of-stock",
            Self::Faulty(fault) => fault.name(),
        }
    }

    pub(crate) fn fault(self) -> Option<Fault> {
        match self {
            Self::Faulty(fault) => Some(fault),
            Self::Normal | Self::OutOfStock => None,
        }
    }

    #[instrument(name = "scenario.run", skip_all, fields(shop.scenario = self.name(), shop.fault = Empty, otel.status_code = Empty))]
    pub(crate) async fn run(self, clients: &Clients, log: &Logger) -> Run {
        let started = Instant::now();
        let result = self.order(clients, log).await;
        if result
            .as_ref()
            .is_err_and(|failure| failure.status().is_server_error())
        {
            Span::current().record("otel.status_code", "ERROR");
        }
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Run {
            result,
            duration_ms,
        }
    }

    async fn order(self, clients: &Clients, log: &Logger) -> Result<View, Failure> {
        // Before the fault: what there is to order must be known whatever goes wrong then.
        let item = self.pick(&catalogue::all(clients, log).await?)?;
        let place = clients.place(PlaceOrderRequest {
            items: vec![item],
            idempotency_key: String::new(),
        });
        let order = match self.fault() {
            None => place.await?,
            Some(fault) => {
                Span::current().record(attributes::FAULT, fault.name());
                fault.ask(place).await?
            }
        };
        Ok(order.into())
    }

    fn pick(self, catalogue: &[Entry]) -> Result<OrderItem, Failure> {
        let picked = match self {
            Self::OutOfStock => catalogue.iter().min_by_key(|entry| stock(entry)),
            // The first that is there; of an empty shelf the first, which then is out of stock as well.
            _ => catalogue
                .iter()
                .min_by_key(|entry| Reverse(stock(entry).min(1))),
        };
        let picked = picked.ok_or(Failure::NotFound("product"))?;
        let quantity = match self {
            Self::OutOfStock => stock(picked).saturating_add(1).min(MAX_QUANTITY),
            _ => 1,
        };
        Ok(OrderItem {
            product_id: picked.product.id.clone(),
            quantity,
        })
    }
}

/// Unknown stock may be there.
fn stock(entry: &Entry) -> i64 {
    entry.available.unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::Product;
    use hosting::money::Money;

    fn catalogue(levels: &[Option<i64>]) -> Vec<Entry> {
        let entry = |(n, available): (usize, &Option<i64>)| Entry {
            product: Product {
                id: format!("p-{n}"),
                name: String::new(),
                description: String::new(),
                price: Money::new(1, "EUR"),
            },
            available: *available,
        };
        levels.iter().enumerate().map(entry).collect()
    }

    fn picked(scenario: Scenario, levels: &[Option<i64>]) -> (String, i64) {
        let item = scenario.pick(&catalogue(levels)).unwrap();
        (item.product_id, item.quantity)
    }

    #[test]
    fn an_order_takes_what_is_there() {
        assert_eq!(
            picked(Scenario::Normal, &[Some(0), Some(3), Some(9)]),
            ("p-1".to_owned(), 1)
        );
        assert_eq!(
            picked(Scenario::Normal, &[Some(0), Some(0)]),
            ("p-0".to_owned(), 1)
        );
        assert_eq!(
            picked(Scenario::Normal, &[None, None]),
            ("p-0".to_owned(), 1)
        );
    }

    #[test]
    fn out_of_stock_asks_for_one_more_than_the_scarcest() {
        let scarce = &[Some(1_000_000), Some(10), None];
        assert_eq!(picked(Scenario::OutOfStock, scarce), ("p-1".to_owned(), 11));
        assert_eq!(
            picked(Scenario::OutOfStock, &[Some(0)]),
            ("p-0".to_owned(), 1)
        );
        assert_eq!(
            picked(Scenario::OutOfStock, &[None]),
            ("p-0".to_owned(), MAX_QUANTITY)
        );
    }

    #[test]
    fn every_scenario_goes_by_one_name() {
        for name in [
            "normal",
            "product-error",
            "inventory-timeout",
            "long-request",
            "out-of-stock",
        ] {
            assert_eq!(Scenario::named(name).unwrap().name(), name);
        }
        assert_eq!(Scenario::named("meltdown"), None);
    }
}
