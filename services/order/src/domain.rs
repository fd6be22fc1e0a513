//! What an order is, and which requests are one. Knows nothing of gRPC, HTTP or SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use hosting::money::{Money, MoneyError};
use uuid::Uuid;

/// Most lines one request may have, before duplicates are merged.
pub(crate) const MAX_LINES: usize = 50;
/// Most pieces of one product in one order.
pub(crate) const MAX_QUANTITY: i64 = 1000;
/// Longest product id and idempotency key.
const MAX_PRODUCT_ID: usize = 64;
const MAX_KEY: usize = 128;

/// A product id that is safe in a URL path as it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProductId(String);

/// What the caller asked for: distinct products in a fixed order, so that equal baskets compare equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basket(BTreeMap<ProductId, i64>);

/// The caller's name for one attempt to order. Visible ASCII, 1 to 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct IdempotencyKey(String);

/// One product of an order at the price it was sold for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: i64,
    pub(crate) unit_price: Money,
}

/// Where an order stands with its reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Stored; inventory has not confirmed the reservation yet.
    Placed,
    /// Stored, and the stock is taken for good.
    Confirmed,
    /// The reservation was gone when it was to be confirmed: there is no stock behind this order.
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) state: State,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    /// Milliseconds since the Unix epoch.
    pub(crate) created_at: i64,
}

/// Why a request is no order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("an order needs at least one item")]
    Empty,
    #[error("an order has at most {MAX_LINES} items, this one has {0}")]
    TooManyLines(usize),
    #[error("item {0}: a product id is 1 to {MAX_PRODUCT_ID} letters, digits, '-' or '_'")]
    ProductId(usize),
    #[error("product {product_id}: the quantity must be 1 to {MAX_QUANTITY}, it is {quantity}")]
    Quantity {
        product_id: ProductId,
        quantity: i64,
    },
    #[error("an idempotency key is 1 to {MAX_KEY} visible ASCII characters")]
    Key,
}

// === impl ProductId ===

impl ProductId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=MAX_PRODUCT_ID).contains(&text.len()) && text.bytes().all(known);
        fits.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Basket ===

impl Basket {
    pub(crate) fn parse<'a>(
        items: impl ExactSizeIterator<Item = (&'a str, i64)>,
    ) -> Result<Self, Invalid> {
        match items.len() {
            0 => return Err(Invalid::Empty),
            n if n > MAX_LINES => return Err(Invalid::TooManyLines(n)),
            _ => {}
        }
        let mut merged = BTreeMap::<ProductId, i64>::new();
        for (index, (product_id, quantity)) in items.enumerate() {
            let product_id = ProductId::parse(product_id).ok_or(Invalid::ProductId(index))?;
            let quantity = in_range(&product_id, quantity)?;
            // At most MAX_LINES times MAX_QUANTITY: cannot overflow.
            *merged.entry(product_id).or_default() += quantity;
        }
        for (product_id, quantity) in &merged {
            in_range(product_id, *quantity)?;
        }
        Ok(Self(merged))
    }

    pub(crate) fn lines(&self) -> impl ExactSizeIterator<Item = (&ProductId, i64)> {
        self.0
            .iter()
            .map(|(product_id, quantity)| (product_id, *quantity))
    }
}

fn in_range(product_id: &ProductId, quantity: i64) -> Result<i64, Invalid> {
    match quantity {
        1..=MAX_QUANTITY => Ok(quantity),
        _ => Err(Invalid::Quantity {
            product_id: product_id.clone(),
            quantity,
        }),
    }
}

// === impl IdempotencyKey ===

impl IdempotencyKey {
    /// The empty text is how the wire says "no key".
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        if text.is_empty() {
            return Ok(None);
        }
        let fits = text.len() <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Some(Self(text.to_owned())))
        } else {
            Err(Invalid::Key)
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Order ===

impl Order {
    /// A new order of at least one line, at this moment.
    pub(crate) fn new(lines: Vec<Line>) -> Result<Self, MoneyError> {
        let mut amounts = lines
            .iter()
            .map(|line| line.unit_price.times(line.quantity));
        let first = amounts.next().unwrap_or_else(|| Ok(Money::new(0, "EUR")))?;
        let total = amounts.try_fold(first, |sum, amount| sum.plus(&amount?))?;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let created_at = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            id: Uuid::now_v7(),
            state: State::Placed,
            lines,
            total,
            created_at,
        })
    }

    /// Whether this order is what `basket` asks for: the prices of the day are not part of the request.
    pub(crate) fn answers(&self, basket: &Basket) -> bool {
        let ours = self
            .lines
            .iter()
            .map(|line| (&line.product_id, line.quantity));
        ours.eq(basket.lines())
    }
}

// === impl State ===

impl State {
    /// As it is stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Placed, Self::Confirmed, Self::Cancelled]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basket(items: &[(&str, i64)]) -> Result<Basket, Invalid> {
        Basket::parse(items.iter().copied())
    }

    #[test]
    fn duplicates_are_merged_and_order_does_not_matter() {
        let merged = basket(&[("tea", 2), ("cup", 1), ("tea", 3)]).unwrap();
        assert_eq!(merged, basket(&[("cup", 1), ("tea", 5)]).unwrap());
        assert_eq!(merged.lines().len(), 2);
    }

    #[test]
    fn a_quantity_is_checked_before_and_after_merging() {
        let refused = |quantity| {
            Err(Invalid::Quantity {
                product_id: ProductId("tea".to_owned()),
                quantity,
            })
        };
        for quantity in [0, -1, 1001, i64::MIN, i64::MAX] {
            assert_eq!(basket(&[("tea", quantity)]), refused(quantity));
        }
        assert_eq!(basket(&[("tea", 1000), ("tea", 1)]), refused(1001));
        assert!(basket(&[("tea", 1000)]).is_ok());
    }

    #[test]
    fn a_basket_has_one_to_fifty_lines() {
        assert_eq!(basket(&[]), Err(Invalid::Empty));
        assert!(basket(&[("tea", 1); 50]).is_ok());
        assert_eq!(basket(&[("tea", 1); 51]), Err(Invalid::TooManyLines(51)));
    }

    #[test]
    fn a_product_id_is_safe_in_a_path() {
        for text in ["", "a/b", "..", "a b", "ä", "a%2f", &"x".repeat(65)] {
            assert_eq!(
                basket(&[("cup", 1), (text, 1)]),
                Err(Invalid::ProductId(1)),
                "{text:?}"
            );
        }
        for text in ["tea", "Tea_2-b", &"x".repeat(64)] {
            assert!(ProductId::parse(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn the_total_is_the_sum_of_quantity_times_price_and_never_wraps() {
        let line = |minor, quantity| Line {
            product_id: ProductId("tea".to_owned()),
            quantity,
            unit_price: Money::new(minor, "EUR"),
        };
        let order = Order::new(vec![line(250, 3), line(1999, 1)]).unwrap();
        assert_eq!(order.total, Money::new(2749, "EUR"));
        assert_eq!(
            Order::new(vec![line(i64::MAX, 2)]),
            Err(MoneyError::Overflow)
        );
        assert_eq!(
            Order::new(vec![line(i64::MAX, 1), line(1, 1)]),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii_and_empty_means_none() {
        assert_eq!(IdempotencyKey::parse(""), Ok(None));
        assert!(matches!(IdempotencyKey::parse("a!~"), Ok(Some(_))));
        for text in ["a b", "\u{7f}", "é", &"x".repeat(129)] {
            assert_eq!(IdempotencyKey::parse(text), Err(Invalid::Key), "{text:?}");
        }
    }
}
