//! The file, its directory and its two kinds of connections.

use std::borrow::Cow;

use hosting::store::{DirectoryError, OpenError, Query, Store};
use sqlx::migrate::{Migration, MigrationType, Migrator};

const ANY: Query = Query {
    operation: "SELECT",
    collection: "beans",
};

fn migrations() -> Migrator {
    let sql = sqlx::AssertSqlSafe("CREATE TABLE beans (name TEXT PRIMARY KEY) STRICT".to_owned());
    let sql = sqlx::SqlSafeStr::into_sql_str(sql);
    let first = Migration::new(1, Cow::Borrowed("beans"), MigrationType::Simple, sql, false);
    Migrator {
        migrations: Cow::Owned(vec![first]),
        ..Migrator::DEFAULT
    }
}

async fn count(store: &Store) -> i64 {
    let mut connection = store.read().await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM beans").fetch_one(&mut *connection);
    store.query(ANY, count).await.unwrap()
}

#[tokio::test]
async fn readers_see_what_is_committed_and_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("a/data"), "pantry", &migrations())
        .await
        .unwrap();
    assert!(store.is_new());

    let mut transaction = store.write().await.unwrap();
    let insert = "INSERT INTO beans VALUES ('arabica')";
    sqlx::query(insert)
        .execute(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(count(&store).await, 0);
    transaction.commit().await.unwrap();
    assert_eq!(count(&store).await, 1);

    let mut reader = store.read().await.unwrap();
    let refused = sqlx::query("DELETE FROM beans").execute(&mut *reader).await;
    assert!(refused.unwrap_err().to_string().contains("readonly"));
}

#[tokio::test]
async fn a_second_start_finds_what_the_first_left() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    Store::open(&data, "pantry", &migrations())
        .await
        .unwrap()
        .close()
        .await;
    let store = Store::open(&data, "pantry", &migrations()).await.unwrap();
    assert!(!store.is_new());
    assert_eq!(count(&store).await, 0);
}

#[tokio::test]
async fn a_link_in_place_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("data");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    let refused = Store::open(&link, "pantry", &migrations())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refused, OpenError::Directory(DirectoryError::Link(_))),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .ends_with("data is a symbolic link: name the directory itself"),
        "{refused}"
    );
}
