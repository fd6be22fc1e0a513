//! Reservations past their time give their stock back.

use super::Store;
use super::queries::{UPDATE_RESERVATIONS, UPDATE_STOCK, Writing};
use crate::error::Error;
use crate::metrics::Outcome;

impl Store {
    /// True if a reservation is past its time. Not a span, unlike every other query: it runs several times a minute without a caller,
    /// and would fill an idle system with traces that say nothing.
    pub(crate) async fn has_due(&self, now: i64) -> Result<bool, Error> {
        let mut connection = self.store.read().await?;
        let query = "SELECT EXISTS (SELECT 1 FROM reservations WHERE state = 'reserved' AND expires_at <= ?)";
        let is_due = sqlx::query_scalar(query)
            .bind(now)
            .fetch_one(&mut *connection);
        Ok(is_due.await?)
    }

    /// Expires what is due; returns the orders.
    pub(crate) async fn sweep(&self, now: i64) -> Result<Vec<String>, Error> {
        let mut writing = Writing::begin(&self.store).await?;
        let (store, transaction) = writing.parts();

        let stock = sqlx::query(
            "UPDATE stock SET available = available + due.quantity
             FROM (SELECT product_id, sum(quantity) AS quantity
                   FROM reservation_lines JOIN reservations USING (order_id)
                   WHERE state = 'reserved' AND expires_at <= ?
                   GROUP BY product_id) AS due
             WHERE stock.product_id = due.product_id",
        )
        .bind(now)
        .execute(&mut **transaction);
        store.query(UPDATE_STOCK, stock).await?;

        let expired = sqlx::query_scalar(
            "UPDATE reservations SET state = 'expired'
             WHERE state = 'reserved' AND expires_at <= ? RETURNING order_id",
        )
        .bind(now)
        .fetch_all(&mut **transaction);
        let orders: Vec<String> = store.query(UPDATE_RESERVATIONS, expired).await?;

        let metrics = self.metrics.clone();
        let count = u32::try_from(orders.len()).unwrap_or(u32::MAX);
        writing
            .commit(move || metrics.count(Outcome::Expired, count))
            .await?;
        Ok(orders)
    }
}
