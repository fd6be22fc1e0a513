//! Stock and reservations in SQLite. Time is a parameter: Unix milliseconds.
//!
//! Each change is one transaction that holds the write lock from its start, so that what it has read is still true when it writes.

mod lane;
mod queries;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use hosting::store::{self, OpenError};
use sqlx::migrate::Migrator;

use crate::error::Error;
use crate::metrics::{Metrics, Outcome};
use crate::reservation::{Confirmed, Lines, OrderId, Released, Reserved};

use lane::Lane;
use queries::{State, Writing};

static MIGRATIONS: Migrator = sqlx::migrate!();

#[derive(Clone)]
pub(crate) struct Store {
    store: store::Store,
    reserving: Lane,
    ttl: Duration,
    metrics: Metrics,
}

impl Store {
    /// `ttl`: how long a reservation holds its stock without being confirmed. `reserving`: most Reserves at once.
    pub(crate) async fn open(
        dir: &Path,
        ttl: Duration,
        reserving: usize,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let store = store::Store::open(dir, "stock", &MIGRATIONS).await?;
        let reserving = Lane::new(reserving);
        Ok(Self {
            store,
            reserving,
            ttl,
            metrics,
        })
    }

    /// Reservations that hold stock and are not final.
    pub(crate) async fn open_reservations(&self) -> Result<i64, Error> {
        let mut connection = self.store.read().await?;
        let query =
            sqlx::query_scalar("SELECT count(*) FROM reservations WHERE state = 'reserved'")
                .fetch_one(&mut *connection);
        Ok(query.await?)
    }

    /// What can be reserved now, by product. Unknown products are left out.
    pub(crate) async fn levels(&self, products: &[String]) -> Result<Vec<(String, i64)>, Error> {
        let products = serde_json::to_string(products).unwrap_or_default();
        let mut connection = self.store.read().await?;
        let query = sqlx::query_as(
            "SELECT product_id, available FROM stock
             WHERE ?1 = '[]' OR product_id IN (SELECT value FROM json_each(?1)) ORDER BY product_id",
        )
        .bind(products)
        .fetch_all(&mut *connection);
        Ok(self.store.query(queries::SELECT_STOCK, query).await?)
    }

    /// Takes all lines or none.
    pub(crate) async fn reserve(
        &self,
        order: &OrderId,
        lines: &Lines,
        now: i64,
    ) -> Result<Reserved, Error> {
        let _turn = self.reserving.turn().await?;
        let mut writing = Writing::begin(&self.store).await?;
        let before = writing.state(order).await?;
        if let Some(state) = before {
            if state == State::Released {
                return Err(Error::Released);
            }
            if writing.lines(order).await? != *lines {
                return Err(Error::OtherLines);
            }
            if matches!(state, State::Reserved | State::Confirmed) {
                return Ok(Reserved::Already);
            }
        }
        let shortages = writing.shortages(lines).await?;
        if !shortages.is_empty() {
            return Ok(Reserved::Rejected(shortages));
        }
        writing
            .put(order, State::Reserved, self.expiry(now))
            .await?;
        if before.is_none() {
            writing.put_lines(order, lines).await?;
        }
        writing.take(lines).await?;
        writing.commit(self.counting(&[Outcome::Reserved])).await?;
        Ok(Reserved::Taken)
    }

    /// Gives the stock back, and bars the order from reserving any.
    pub(crate) async fn release(&self, order: &OrderId, now: i64) -> Result<Released, Error> {
        let mut writing = Writing::begin(&self.store).await?;
        let (released, counted) = match writing.state(order).await? {
            Some(State::Confirmed) => return Err(Error::Confirmed),
            Some(State::Released) => return Ok(Released::Nothing),
            Some(State::Reserved) => {
                let lines = writing.lines(order).await?;
                writing.give_back(&lines).await?;
                (Released::Returned, &[Outcome::Released][..])
            }
            Some(State::Expired) | None => (Released::Nothing, &[][..]),
        };
        writing.put(order, State::Released, now).await?;
        writing.commit(self.counting(counted)).await?;
        Ok(released)
    }

    /// Makes a reservation permanent; takes an expired one again if it can.
    pub(crate) async fn confirm(&self, order: &OrderId, now: i64) -> Result<Confirmed, Error> {
        let mut writing = Writing::begin(&self.store).await?;
        let counted = match writing.state(order).await? {
            None => return Err(Error::Unknown),
            Some(State::Released) => return Err(Error::Released),
            Some(State::Confirmed) => return Ok(Confirmed::Already),
            // Also past its time: as long as the sweeper has not come, the stock is still held.
            Some(State::Reserved) => &[Outcome::Confirmed][..],
            Some(State::Expired) => {
                let lines = writing.lines(order).await?;
                if !writing.shortages(&lines).await?.is_empty() {
                    return Ok(Confirmed::Expired);
                }
                writing.take(&lines).await?;
                // Reserved twice, as it ends twice: what is reserved and neither confirmed, released nor expired is open.
                &[Outcome::Reserved, Outcome::Confirmed][..]
            }
        };
        writing.put(order, State::Confirmed, now).await?;
        writing.commit(self.counting(counted)).await?;
        Ok(Confirmed::Now)
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    fn counting(&self, outcomes: &'static [Outcome]) -> impl FnOnce() + Send + use<> {
        let metrics = self.metrics.clone();
        move || {
            for outcome in outcomes {
                metrics.count(*outcome, 1);
            }
        }
    }

    fn expiry(&self, now: i64) -> i64 {
        let ttl = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        now.saturating_add(ttl)
    }
}
