//! The catalogue in SQLite, read only once it is seeded.

use std::path::Path;

use hosting::money::Money;
use hosting::store::{self, OpenError, Query};
use sqlx::Row;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteRow;

use crate::catalogue::{Product, ProductId};

static MIGRATIONS: Migrator = sqlx::migrate!();

const SELECT: Query = Query {
    operation: "SELECT",
    collection: "products",
};

#[derive(Clone)]
pub(crate) struct Store(store::Store);

impl Store {
    pub(crate) async fn open(dir: &Path) -> Result<Self, OpenError> {
        let store = store::Store::open(dir, "catalogue", &MIGRATIONS).await?;
        Ok(Self(store))
    }

    /// True if this start wrote the catalogue.
    pub(crate) fn is_new(&self) -> bool {
        self.0.is_new()
    }

    pub(crate) async fn all(&self) -> Result<Vec<Product>, sqlx::Error> {
        let mut connection = self.0.read().await?;
        let query =
            sqlx::query("SELECT id, name, description, price, currency FROM products ORDER BY id")
                .try_map(product)
                .fetch_all(&mut *connection);
        self.0.query(SELECT, query).await
    }

    pub(crate) async fn find(&self, id: &ProductId) -> Result<Option<Product>, sqlx::Error> {
        let mut connection = self.0.read().await?;
        let query =
            sqlx::query("SELECT id, name, description, price, currency FROM products WHERE id = ?")
                .bind(id.as_str())
                .try_map(product)
                .fetch_optional(&mut *connection);
        self.0.query(SELECT, query).await
    }

    /// Fails unless there is something to sell.
    pub(crate) async fn check(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.0.read().await?;
        let query = sqlx::query("SELECT 1 FROM products LIMIT 1").fetch_one(&mut *connection);
        self.0.query(SELECT, query).await.map(drop)
    }

    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

fn product(row: SqliteRow) -> Result<Product, sqlx::Error> {
    Ok(Product {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        price: Money::new(row.try_get("price")?, row.try_get::<String, _>("currency")?),
    })
}
