//! Orders in SQLite.

use std::path::Path;

use hosting::money::Money;
use hosting::store::{Query, Store as Database};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use crate::domain::{IdempotencyKey, Line, Order, ProductId, State};

static MIGRATIONS: Migrator = sqlx::migrate!();

#[derive(Clone)]
pub(crate) struct Store(Database);

/// An order that is written and not committed. Dropped, it was never there.
pub(crate) struct Prepared {
    transaction: Transaction<'static, Sqlite>,
    database: Database,
}

/// What becomes of the idempotency key of an order that is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// The caller hears that its order failed, and may try again under the same key.
    Free,
    /// The caller was told that the order is placed. Its next call with this key finds the order, and that it is cancelled.
    Keep,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is an order with this idempotency key")]
    KeyTaken,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Store {
    /// Opens the database, and names the orders that an earlier run left unconfirmed, the oldest first.
    pub(crate) async fn open(dir: &Path) -> anyhow::Result<(Self, Vec<Uuid>)> {
        // The namespace is unlike any service's name: a service graph would draw the two as one.
        let database = Database::open(dir, "orders", &MIGRATIONS).await?;
        // Part of opening, like the migrations: no request asks this, so it gets no span.
        let left =
            sqlx::query("SELECT order_id FROM orders WHERE state = 'placed' ORDER BY created_at");
        let left = left.fetch_all(&mut *database.read().await?).await?;
        let left = left.iter().map(read_id).collect::<Result<_, _>>()?;
        Ok((Self(database), left))
    }

    pub(crate) async fn close(&self) {
        self.0.close().await;
    }

    pub(crate) async fn by_id(&self, order_id: Uuid) -> Result<Option<Order>, StoreError> {
        self.find(
            "SELECT * FROM orders WHERE order_id = ?",
            &order_id.to_string(),
        )
        .await
    }

    pub(crate) async fn by_key(&self, key: &IdempotencyKey) -> Result<Option<Order>, StoreError> {
        self.find(
            "SELECT * FROM orders WHERE idempotency_key = ?",
            key.as_str(),
        )
        .await
    }

    async fn find(&self, sql: &'static str, value: &str) -> Result<Option<Order>, StoreError> {
        let mut connection = self.0.read().await?;
        let row = sqlx::query(sql)
            .bind(value)
            .fetch_optional(&mut *connection);
        match self.0.query(select("orders"), row).await? {
            Some(row) => Ok(Some(self.with_lines(&row, &mut connection).await?)),
            None => Ok(None),
        }
    }

    async fn with_lines(
        &self,
        row: &SqliteRow,
        connection: &mut SqliteConnection,
    ) -> Result<Order, sqlx::Error> {
        let currency: String = row.try_get("currency")?;
        // In the order of a basket: that is how an order is compared with one.
        let lines = sqlx::query("SELECT * FROM order_lines WHERE order_id = ? ORDER BY product_id")
            .bind(row.try_get::<String, _>("order_id")?)
            .fetch_all(connection);
        let lines = self.0.query(select("order_lines"), lines).await?;
        let lines = lines.iter().map(|line| read_line(line, &currency));
        Ok(Order {
            id: read_id(row)?,
            state: checked(row, "state", State::parse)?,
            lines: lines.collect::<Result<_, _>>()?,
            total: Money::new(row.try_get("total")?, &*currency),
            created_at: row.try_get("created_at")?,
        })
    }

    /// Writes the order, all but the commit. Fails at once if its key is taken.
    pub(crate) async fn prepare(
        &self,
        order: &Order,
        key: Option<&IdempotencyKey>,
    ) -> Result<Prepared, StoreError> {
        let mut transaction = self.0.write().await?;
        let head = sqlx::query(
            "INSERT INTO orders (order_id, idempotency_key, state, total, currency, created_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(order.id.to_string())
        .bind(key.map(IdempotencyKey::as_str))
        .bind(order.state.as_str())
        .bind(order.total.minor)
        .bind(&order.total.currency)
        .bind(order.created_at)
        .execute(&mut *transaction);
        self.0
            .query(insert("orders"), head)
            .await
            .map_err(key_taken)?;

        let mut lines = QueryBuilder::new(
            "INSERT INTO order_lines (order_id, product_id, quantity, unit_price) ",
        );
        lines.push_values(&order.lines, |mut row, line| {
            row.push_bind(order.id.to_string())
                .push_bind(line.product_id.as_str())
                .push_bind(line.quantity)
                .push_bind(line.unit_price.minor);
        });
        let lines = lines.build().execute(&mut *transaction);
        self.0.query(insert("order_lines"), lines).await?;
        Ok(Prepared {
            transaction,
            database: self.0.clone(),
        })
    }

    /// Stores what inventory said about an order, unless somebody has before. Returns what is stored.
    pub(crate) async fn settle(
        &self,
        order_id: Uuid,
        state: State,
        key: Key,
    ) -> Result<State, StoreError> {
        let mut transaction = self.0.write().await?;
        let update = sqlx::query(
            "UPDATE orders SET
                 state = iif(state = 'placed', ?1, state),
                 idempotency_key = iif(?2 AND iif(state = 'placed', ?1, state) = 'cancelled', NULL, idempotency_key)
             WHERE order_id = ?3 RETURNING state",
        )
        .bind(state.as_str())
        .bind(key == Key::Free)
        .bind(order_id.to_string())
        .fetch_one(&mut *transaction);
        let operation = Query {
            operation: "UPDATE",
            collection: "orders",
        };
        let stored = self.0.query(operation, update).await?;
        let stored = checked(&stored, "state", State::parse)?;
        transaction.commit().await?;
        Ok(stored)
    }
}

impl Prepared {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let commit = Query {
            operation: "COMMIT",
            collection: "orders",
        };
        Ok(self
            .database
            .query(commit, self.transaction.commit())
            .await?)
    }
}

fn select(collection: &'static str) -> Query {
    Query {
        operation: "SELECT",
        collection,
    }
}

fn insert(collection: &'static str) -> Query {
    Query {
        operation: "INSERT",
        collection,
    }
}

/// The only UNIQUE column that a new order can collide in: its id is random.
fn key_taken(error: sqlx::Error) -> StoreError {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::KeyTaken,
        _ => StoreError::Database(error),
    }
}

fn read_id(row: &SqliteRow) -> Result<Uuid, sqlx::Error> {
    checked(row, "order_id", |text| Uuid::parse_str(text).ok())
}

fn read_line(row: &SqliteRow, currency: &str) -> Result<Line, sqlx::Error> {
    Ok(Line {
        product_id: checked(row, "product_id", ProductId::parse)?,
        quantity: row.try_get("quantity")?,
        unit_price: Money::new(row.try_get("unit_price")?, currency),
    })
}

/// A text column that was written by us, and so must parse.
fn checked<T>(
    row: &SqliteRow,
    column: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    parse(&text).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: format!("{text:?} is not valid").into(),
    })
}
