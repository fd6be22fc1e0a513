//! What a reservation is made of, and what can become of it.

use std::collections::BTreeMap;

/// The order a reservation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderId(String);

/// The lines of a reservation: units by product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines(BTreeMap<String, i64>);

/// Why a request cannot be a reservation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRequest {
    #[error("an order id is 1 to {MAX_ID} letters, digits, hyphens or underscores")]
    OrderId,
    #[error("a product id is 1 to {MAX_ID} letters, digits, hyphens or underscores")]
    ProductId,
    #[error("a reservation has 1 to {MAX_LINES} lines")]
    Lines,
    #[error("the quantity of a line is 1 to {MAX_QUANTITY}")]
    Quantity,
    #[error("at most {MAX_LEVELS} products can be asked for at once")]
    Levels,
}

/// The answer to a reservation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// The stock is taken now.
    Taken,
    /// It was taken before, for the same lines.
    Already,
    Rejected(Vec<Shortage>),
}

/// The answer to a release.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// The stock is given back now.
    Returned,
    /// There was none to give back. The order cannot reserve any from now on.
    Nothing,
}

/// The answer to a confirmation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// The reservation is permanent now.
    Now,
    /// It was before.
    Already,
    /// It had expired, and there is too little stock to take it again.
    Expired,
}

/// A product that is not there in the quantity asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) product_id: String,
    pub(crate) requested: i64,
    pub(crate) available: i64,
}

const MAX_ID: usize = 64;
const MAX_LINES: usize = 50;
const MAX_QUANTITY: i64 = 1000;
const MAX_LEVELS: usize = 200;

// === impl OrderId ===

impl OrderId {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidRequest> {
        is_id(text)
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidRequest::OrderId)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Lines ===

impl Lines {
    /// Sums the lines of one product.
    pub(crate) fn parse<'a>(
        lines: impl ExactSizeIterator<Item = (&'a str, i64)>,
    ) -> Result<Self, InvalidRequest> {
        if !(1..=MAX_LINES).contains(&lines.len()) {
            return Err(InvalidRequest::Lines);
        }
        let mut sums = BTreeMap::new();
        for (product, quantity) in lines {
            if !is_id(product) {
                return Err(InvalidRequest::ProductId);
            }
            if !(1..=MAX_QUANTITY).contains(&quantity) {
                return Err(InvalidRequest::Quantity);
            }
            let sum: &mut i64 = sums.entry(product.to_owned()).or_default();
            *sum = sum.checked_add(quantity).ok_or(InvalidRequest::Quantity)?;
        }
        Ok(Self(sums))
    }

    /// What the store has kept.
    pub(crate) fn stored(lines: Vec<(String, i64)>) -> Self {
        Self(lines.into_iter().collect())
    }

    /// A JSON object: how a statement takes all lines as one parameter.
    pub(crate) fn json(&self) -> String {
        // A map with string keys has no way to fail.
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

/// Checks the ids of a request for stock levels.
pub(crate) fn check_products(ids: &[String]) -> Result<(), InvalidRequest> {
    if ids.len() > MAX_LEVELS {
        return Err(InvalidRequest::Levels);
    }
    let all = ids.iter().all(|id| is_id(id));
    all.then_some(()).ok_or(InvalidRequest::ProductId)
}

fn is_id(text: &str) -> bool {
    let is_id_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(is_id_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, i64)], expected: Result<&[(&str, i64)], InvalidRequest>) {
        let expected = expected.map(|lines| {
            Lines::stored(lines.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect())
        });
        assert_eq!(Lines::parse(lines.iter().copied()), expected, "{lines:?}");
    }

    #[test]
    fn lines_of_one_product_are_summed() {
        check(
            &[("b", 1), ("a", 2), ("b", 999)],
            Ok(&[("a", 2), ("b", 1000)]),
        );
        check(&[("a", 1000); 50], Ok(&[("a", 50_000)]));
    }

    #[test]
    fn quantities_counts_and_ids_out_of_range_are_refused() {
        check(&[], Err(InvalidRequest::Lines));
        check(&[("a", 1); 51], Err(InvalidRequest::Lines));
        for quantity in [0, -1, 1001, i64::MAX, i64::MIN] {
            check(&[("a", quantity)], Err(InvalidRequest::Quantity));
        }
        for id in ["", "a b", "ä", &"x".repeat(65)] {
            check(&[(id, 1)], Err(InvalidRequest::ProductId));
            assert_eq!(OrderId::parse(id), Err(InvalidRequest::OrderId), "{id}");
        }
    }

    #[test]
    fn a_bounded_number_of_levels_can_be_asked_for() {
        assert_eq!(check_products(&vec!["a".to_owned(); 200]), Ok(()));
        assert_eq!(
            check_products(&vec!["a".to_owned(); 201]),
            Err(InvalidRequest::Levels)
        );
    }
}
