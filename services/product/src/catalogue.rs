//! Products, as the catalogue knows them.

use hosting::money::Money;
use serde::Serialize;

/// One product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Money,
}

/// A text that can be the id of a product. Any other is unknown without a query, and never reaches a span or a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProductId(String);

/// Why a product cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("there is no such product")]
    Unknown,
    #[error("the lookup failed because the fault product-error acts")]
    Injected,
    #[error("the catalogue cannot be read")]
    Store(#[source] sqlx::Error),
}

impl ProductId {
    const MAX_LENGTH: usize = 64;

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_id_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_id = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_id_byte);
        is_id.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_words_are_ids() {
        for id in ["p-1001", "A_b", &"x".repeat(64)] {
            assert!(ProductId::parse(id).is_some(), "{id}");
        }
        for text in ["", "a b", "p%2F1", "p/1", "é", "a\n", &"x".repeat(65)] {
            assert!(ProductId::parse(text).is_none(), "{text:?}");
        }
    }
}
