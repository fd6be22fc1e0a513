//! Amounts in minor units. SQLite has no decimal type, and a float is no price.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of money. On the wire and in JSON: `{"amount":1999,"currency":"EUR"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: 1999 is 19.99 EUR.
    #[serde(rename = "amount")]
    pub minor: i64,
    /// ISO 4217.
    pub currency: String,
}

/// Why two amounts do not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("the amount is out of range")]
    Overflow,
    #[error("{0} and {1} cannot be added")]
    Currencies(String, String),
}

impl Money {
    pub fn new(minor: i64, currency: impl Into<String>) -> Self {
        Self {
            minor,
            currency: currency.into(),
        }
    }

    /// The price of `quantity` units.
    ///
    /// # Errors
    /// The product does not fit.
    pub fn times(&self, quantity: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(quantity);
        Ok(Self::new(
            minor.ok_or(MoneyError::Overflow)?,
            &*self.currency,
        ))
    }

    /// # Errors
    /// The sum does not fit, or the currencies differ.
    pub fn plus(&self, other: &Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(
                self.currency.clone(),
                other.currency.clone(),
            ));
        }
        let minor = self.minor.checked_add(other.minor);
        Ok(Self::new(
            minor.ok_or(MoneyError::Overflow)?,
            &*self.currency,
        ))
    }

    /// Major units, for a histogram only: the double has lost the last cents of a large amount.
    pub fn major(&self) -> f64 {
        self.minor as f64 / 100.0
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(
            f,
            "{sign}{}.{:02} {}",
            minor / 100,
            minor % 100,
            self.currency
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_that_does_not_fit_is_refused() {
        assert_eq!(
            Money::new(i64::MAX, "EUR").times(2),
            Err(MoneyError::Overflow)
        );
        let most = Money::new(i64::MAX, "EUR");
        assert_eq!(most.plus(&Money::new(1, "EUR")), Err(MoneyError::Overflow));
    }

    #[test]
    fn currencies_are_not_mixed() {
        let refused = Money::new(1, "EUR").plus(&Money::new(1, "JPY"));
        assert_eq!(
            refused,
            Err(MoneyError::Currencies("EUR".into(), "JPY".into()))
        );
    }

    #[test]
    fn an_amount_reads_as_people_write_it() {
        assert_eq!(Money::new(1999, "EUR").to_string(), "19.99 EUR");
        assert_eq!(Money::new(-5, "EUR").to_string(), "-0.05 EUR");
    }
}
