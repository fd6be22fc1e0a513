//! The statements of one transaction.

use hosting::store::{Query, Store};
use sqlx::{Sqlite, Transaction};

use crate::reservation::{Lines, OrderId, Shortage};

pub(super) const SELECT_STOCK: Query = query("SELECT", "stock");
pub(super) const UPDATE_STOCK: Query = query("UPDATE", "stock");
const SELECT_RESERVATION: Query = query("SELECT", "reservations");
const INSERT_RESERVATION: Query = query("INSERT", "reservations");
pub(super) const UPDATE_RESERVATIONS: Query = query("UPDATE", "reservations");
const SELECT_LINES: Query = query("SELECT", "reservation_lines");
const INSERT_LINES: Query = query("INSERT", "reservation_lines");
const COMMIT: Query = query("COMMIT", "stock");

const fn query(operation: &'static str, collection: &'static str) -> Query {
    Query {
        operation,
        collection,
    }
}

/// What holds for a reservation; see the table `reservations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Reserved,
    Confirmed,
    Released,
    Expired,
}

/// A transaction that may write. Dropped without [`Writing::commit`], it changes nothing.
pub(super) struct Writing<'a> {
    store: &'a Store,
    transaction: Transaction<'static, Sqlite>,
}

type Result<T> = std::result::Result<T, sqlx::Error>;

impl<'a> Writing<'a> {
    pub(super) async fn begin(store: &'a Store) -> Result<Self> {
        Ok(Self {
            store,
            transaction: store.write().await?,
        })
    }

    /// Commits, and `done` then counts it. From here on a caller that goes away changes nothing: what is committed is counted.
    pub(super) async fn commit(self, done: impl FnOnce() + Send + 'static) -> Result<()> {
        let (store, transaction) = (self.store.clone(), self.transaction);
        let committing = telemetry::spawn(async move {
            store.query(COMMIT, transaction.commit()).await?;
            done();
            Ok(())
        });
        // Not joined: the process ends.
        committing.await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    pub(super) async fn state(&mut self, order: &OrderId) -> Result<Option<State>> {
        let query = sqlx::query_scalar("SELECT state FROM reservations WHERE order_id = ?")
            .bind(order.as_str())
            .fetch_optional(&mut *self.transaction);
        let name: Option<String> = self.store.query(SELECT_RESERVATION, query).await?;
        name.map(|name| State::named(&name)).transpose()
    }

    /// Writes the state, whether or not there is one.
    pub(super) async fn put(
        &mut self,
        order: &OrderId,
        state: State,
        expires_at: i64,
    ) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO reservations (order_id, state, expires_at) VALUES (?, ?, ?)
             ON CONFLICT (order_id) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at",
        )
        .bind(order.as_str())
        .bind(state.name())
        .bind(expires_at)
        .execute(&mut *self.transaction);
        self.store.query(INSERT_RESERVATION, query).await.map(drop)
    }

    pub(super) async fn lines(&mut self, order: &OrderId) -> Result<Lines> {
        let query =
            sqlx::query_as("SELECT product_id, quantity FROM reservation_lines WHERE order_id = ?")
                .bind(order.as_str())
                .fetch_all(&mut *self.transaction);
        let lines = self.store.query(SELECT_LINES, query).await?;
        Ok(Lines::stored(lines))
    }

    pub(super) async fn put_lines(&mut self, order: &OrderId, lines: &Lines) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO reservation_lines (order_id, product_id, quantity)
             SELECT ?, key, value FROM json_each(?)",
        )
        .bind(order.as_str())
        .bind(lines.json())
        .execute(&mut *self.transaction);
        self.store.query(INSERT_LINES, query).await.map(drop)
    }

    /// What is not there. A product that nobody has heard of is out of stock.
    pub(super) async fn shortages(&mut self, lines: &Lines) -> Result<Vec<Shortage>> {
        let query = sqlx::query_as(
            "SELECT line.key, line.value, coalesce(stock.available, 0)
             FROM json_each(?) AS line LEFT JOIN stock ON stock.product_id = line.key
             WHERE coalesce(stock.available, 0) < line.value ORDER BY line.key",
        )
        .bind(lines.json())
        .fetch_all(&mut *self.transaction);
        let rows: Vec<(String, i64, i64)> = self.store.query(SELECT_STOCK, query).await?;
        let shortage = |(product_id, requested, available)| Shortage {
            product_id,
            requested,
            available,
        };
        Ok(rows.into_iter().map(shortage).collect())
    }

    pub(super) async fn take(&mut self, lines: &Lines) -> Result<()> {
        self.move_stock(lines, -1).await
    }

    pub(super) async fn give_back(&mut self, lines: &Lines) -> Result<()> {
        self.move_stock(lines, 1).await
    }

    async fn move_stock(&mut self, lines: &Lines, sign: i64) -> Result<()> {
        let query = sqlx::query(
            "UPDATE stock SET available = available + ? * line.value
             FROM json_each(?) AS line WHERE stock.product_id = line.key",
        )
        .bind(sign)
        .bind(lines.json())
        .execute(&mut *self.transaction);
        self.store.query(UPDATE_STOCK, query).await.map(drop)
    }

    /// For the statements of one caller only.
    pub(super) fn parts(&mut self) -> (&Store, &mut Transaction<'static, Sqlite>) {
        (self.store, &mut self.transaction)
    }
}

// === impl State ===

impl State {
    const ALL: [Self; 4] = [
        Self::Reserved,
        Self::Confirmed,
        Self::Released,
        Self::Expired,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    fn named(name: &str) -> Result<Self> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| sqlx::Error::Decode(format!("unknown state {name:?}").into()))
    }
}
