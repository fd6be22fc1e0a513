//! SQLite with one writer.
//!
//! SQLite lets one connection write at a time, and answers the others with "busy". So there is one connection for writing, and
//! writers queue for it in order instead of failing; readers have their own and see the last committed state.
//!
//! Every query runs through [`Store::query`], which makes it a CLIENT span. Waiting for the writer is outside these spans: it shows
//! as the gap before the first one.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, Transaction};
use telemetry::db::{Database, Failure};

pub use crate::directory::DirectoryError;
pub use telemetry::db::Query;

/// How long SQLite waits for a writer of another process: a backup, or a person with a shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request waits for its turn before it is told that the database is overloaded.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

const READERS: u32 = 4;

/// One database file.
#[derive(Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    database: std::sync::Arc<Database<sqlx::Error>>,
    is_new: bool,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot open the database {0}")]
    Open(String, #[source] sqlx::Error),
    #[error("cannot bring the database {0} up to date")]
    Migrate(String, #[source] MigrateError),
}

impl Store {
    /// Opens `<dir>/<name>.db`, creates what is missing and brings it up to date. `name` is its `db.namespace`: unlike the name of
    /// any service, or a service graph draws the two as one.
    ///
    /// # Errors
    /// The directory is not ours, or the file cannot be opened or brought up to date.
    pub async fn open(
        dir: &Path,
        name: &'static str,
        migrations: &Migrator,
    ) -> Result<Self, OpenError> {
        crate::directory::claim(dir)?;
        let file = dir.join(format!("{name}.db"));
        let is_new = !file.exists();
        let shown = file.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit survives the death of the process. A power cut may take the last ones, but corrupts nothing.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // sqlx would log each statement with its text.
            .disable_statement_logging();
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(|error| OpenError::Open(shown.clone(), error))?;
        migrations
            .run(&writer)
            .await
            .map_err(|error| OpenError::Migrate(shown.clone(), error))?;
        let readers = pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(|error| OpenError::Open(shown, error))?;
        Ok(Self {
            writer,
            readers,
            database: std::sync::Arc::new(Database::new("sqlite", name, classify)),
            is_new,
        })
    }

    /// True if the file was not there before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// A connection that sees the last committed state and cannot write.
    ///
    /// # Errors
    /// None was free in time.
    pub async fn read(&self) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
        self.readers.acquire().await
    }

    /// The writer, in a transaction that holds the write lock from its first moment: what it reads stays true until it commits.
    /// Dropping it rolls back.
    ///
    /// # Errors
    /// The writer was not free in time.
    pub async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Runs one query as a CLIENT span with a duration.
    ///
    /// # Errors
    /// Those of `query`.
    pub async fn query<T>(
        &self,
        query: Query,
        run: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        self.database.run(query, run).await
    }

    /// Closes the file; SQLite then folds the write-ahead log into it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // The ping would be a round trip to the connection's thread for each query; the file does not go away like a server.
        .test_before_acquire(false)
}

/// What a failed query is told as: SQLite's result code where there is one.
fn classify(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => Failure::Code(code.into_owned().into()),
            None => Failure::Named("database"),
        },
        sqlx::Error::PoolTimedOut => Failure::Named("pool_timed_out"),
        sqlx::Error::RowNotFound => Failure::Named("row_not_found"),
        sqlx::Error::Io(_) => Failure::Named("io"),
        _ => Failure::Named("_OTHER"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_query_is_told_as_the_code_of_the_database_and_another_failure_by_its_name() {
        let pool = pool(1).connect("sqlite::memory:").await.unwrap();
        let twice =
            "CREATE TABLE beans (name TEXT PRIMARY KEY); INSERT INTO beans VALUES ('a'), ('a')";
        let failed = sqlx::raw_sql(twice).execute(&pool).await.unwrap_err();
        // SQLITE_CONSTRAINT_PRIMARYKEY
        assert_eq!(classify(&failed), Failure::Code("1555".into()));
        let none = Failure::Named("row_not_found");
        assert_eq!(classify(&sqlx::Error::RowNotFound), none);
    }
}
