//! Each test has a database of its own and says what time it is.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::*;
use crate::reservation::Shortage;

const TTL: Duration = Duration::from_millis(1000);
const MOST: usize = 100;
const PLENTY: &str = "p-1001";
const SCARCE: &str = "p-1012";

struct Shelf {
    store: Store,
    _dir: tempfile::TempDir,
}

async fn shelf() -> Shelf {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data")).await;
    Shelf { store, _dir: dir }
}

/// For no more Reserves at once than any test makes.
async fn open(dir: &Path) -> Store {
    Store::open(dir, TTL, MOST, Metrics::new()).await.unwrap()
}

fn order(id: &str) -> OrderId {
    OrderId::parse(id).unwrap()
}

fn lines(lines: &[(&str, i64)]) -> Lines {
    Lines::parse(lines.iter().copied()).unwrap()
}

impl Shelf {
    async fn level(&self, product: &str) -> i64 {
        let levels = self.store.levels(&[product.to_owned()]).await.unwrap();
        levels[0].1
    }

    async fn reserve(&self, id: &str, what: &[(&str, i64)], now: i64) -> Result<Reserved, Error> {
        self.store.reserve(&order(id), &lines(what), now).await
    }
}

#[tokio::test]
async fn a_reservation_takes_all_lines_or_none() {
    let shelf = shelf().await;
    let both = shelf.reserve("a", &[(SCARCE, 4), (PLENTY, 1)], 0).await;
    assert_eq!(both.unwrap(), Reserved::Taken);
    assert_eq!(shelf.level(SCARCE).await, 6);

    let short = shelf
        .reserve("b", &[(SCARCE, 7), (PLENTY, 1), ("unheard-of", 2)], 0)
        .await;
    let shortage = |product_id: &str, requested, available| Shortage {
        product_id: product_id.to_owned(),
        requested,
        available,
    };
    let shortages = vec![shortage(SCARCE, 7, 6), shortage("unheard-of", 2, 0)];
    assert_eq!(short.unwrap(), Reserved::Rejected(shortages));
    assert_eq!(shelf.level(SCARCE).await, 6);
    assert_eq!(shelf.level(PLENTY).await, 999_999);
}

#[tokio::test]
async fn a_repeated_reservation_takes_nothing_more() {
    let shelf = shelf().await;
    shelf.reserve("a", &[(SCARCE, 4)], 0).await.unwrap();
    assert_eq!(
        shelf.reserve("a", &[(SCARCE, 4)], 1).await.unwrap(),
        Reserved::Already
    );
    let other = shelf.reserve("a", &[(SCARCE, 5)], 1).await;
    assert!(matches!(other, Err(Error::OtherLines)), "{other:?}");
    assert_eq!(shelf.level(SCARCE).await, 6);

    shelf.store.confirm(&order("a"), 2).await.unwrap();
    assert_eq!(
        shelf.reserve("a", &[(SCARCE, 4)], 3).await.unwrap(),
        Reserved::Already
    );
    assert_eq!(shelf.level(SCARCE).await, 6);
}

#[tokio::test]
async fn a_release_gives_the_stock_back_once() {
    let shelf = shelf().await;
    shelf.reserve("a", &[(SCARCE, 4)], 0).await.unwrap();
    assert_eq!(
        shelf.store.release(&order("a"), 1).await.unwrap(),
        Released::Returned
    );
    assert_eq!(
        shelf.store.release(&order("a"), 2).await.unwrap(),
        Released::Nothing
    );
    assert_eq!(shelf.level(SCARCE).await, 10);

    let again = shelf.reserve("a", &[(SCARCE, 4)], 3).await;
    assert!(matches!(again, Err(Error::Released)), "{again:?}");
    let confirmed = shelf.store.confirm(&order("a"), 4).await;
    assert!(matches!(confirmed, Err(Error::Released)), "{confirmed:?}");
    assert_eq!(shelf.level(SCARCE).await, 10);
}

#[tokio::test]
async fn a_release_that_comes_first_bars_the_reservation() {
    let shelf = shelf().await;
    assert_eq!(
        shelf.store.release(&order("a"), 0).await.unwrap(),
        Released::Nothing
    );
    let late = shelf.reserve("a", &[(SCARCE, 4)], 1).await;
    assert!(matches!(late, Err(Error::Released)), "{late:?}");
    assert_eq!(shelf.level(SCARCE).await, 10);
}

#[tokio::test]
async fn a_confirmed_reservation_neither_expires_nor_is_released() {
    let shelf = shelf().await;
    shelf.reserve("a", &[(SCARCE, 4)], 0).await.unwrap();
    assert_eq!(
        shelf.store.confirm(&order("a"), 1).await.unwrap(),
        Confirmed::Now
    );
    assert_eq!(
        shelf.store.confirm(&order("a"), 2).await.unwrap(),
        Confirmed::Already
    );
    assert!(!shelf.store.has_due(i64::MAX).await.unwrap());
    assert!(shelf.store.sweep(i64::MAX).await.unwrap().is_empty());
    let released = shelf.store.release(&order("a"), 3).await;
    assert!(matches!(released, Err(Error::Confirmed)), "{released:?}");
    assert_eq!(shelf.level(SCARCE).await, 6);
}

#[tokio::test]
async fn what_was_never_reserved_cannot_be_confirmed() {
    let shelf = shelf().await;
    let confirmed = shelf.store.confirm(&order("a"), 0).await;
    assert!(matches!(confirmed, Err(Error::Unknown)), "{confirmed:?}");
}

#[tokio::test]
async fn the_sweep_expires_exactly_what_is_past_its_time() {
    let shelf = shelf().await;
    shelf
        .reserve("a", &[(SCARCE, 1), (PLENTY, 2)], 0)
        .await
        .unwrap();
    shelf.reserve("b", &[(SCARCE, 2)], 10).await.unwrap();
    shelf.reserve("c", &[(SCARCE, 4)], 500).await.unwrap();
    assert!(!shelf.store.has_due(999).await.unwrap());

    assert!(shelf.store.has_due(1010).await.unwrap());
    let mut swept = shelf.store.sweep(1010).await.unwrap();
    swept.sort();
    assert_eq!(swept, ["a", "b"]);
    assert_eq!(shelf.level(SCARCE).await, 6);
    assert_eq!(shelf.level(PLENTY).await, 1_000_000);

    assert!(shelf.store.sweep(1010).await.unwrap().is_empty());
    assert_eq!(shelf.level(SCARCE).await, 6);
}

#[tokio::test]
async fn an_expired_reservation_is_confirmed_if_the_stock_is_still_there() {
    let shelf = shelf().await;
    shelf.reserve("a", &[(SCARCE, 8)], 0).await.unwrap();
    shelf.store.sweep(1000).await.unwrap();

    shelf.reserve("b", &[(SCARCE, 3)], 1000).await.unwrap();
    assert_eq!(
        shelf.store.confirm(&order("a"), 1001).await.unwrap(),
        Confirmed::Expired
    );
    assert_eq!(shelf.level(SCARCE).await, 7);

    shelf.store.release(&order("b"), 1002).await.unwrap();
    assert_eq!(
        shelf.store.confirm(&order("a"), 1003).await.unwrap(),
        Confirmed::Now
    );
    assert_eq!(shelf.level(SCARCE).await, 2);
}

#[tokio::test]
async fn an_expired_reservation_can_be_repeated_or_released() {
    let shelf = shelf().await;
    shelf.reserve("a", &[(SCARCE, 8)], 0).await.unwrap();
    shelf.store.sweep(1000).await.unwrap();
    assert_eq!(
        shelf.reserve("a", &[(SCARCE, 8)], 1001).await.unwrap(),
        Reserved::Taken
    );
    assert_eq!(shelf.level(SCARCE).await, 2);

    shelf.store.sweep(2001).await.unwrap();
    assert_eq!(
        shelf.store.release(&order("a"), 2002).await.unwrap(),
        Released::Nothing
    );
    assert_eq!(shelf.level(SCARCE).await, 10);
    let confirmed = shelf.store.confirm(&order("a"), 2003).await;
    assert!(matches!(confirmed, Err(Error::Released)), "{confirmed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_at_once_share_ten_without_a_busy_error() {
    let shelf = Arc::new(shelf().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let shelf = Arc::clone(&shelf);
        tasks.spawn(async move {
            let id = format!("order-{number}");
            shelf
                .reserve(&id, &[(SCARCE, 1), (PLENTY, 1)], 0)
                .await
                .unwrap()
        });
    }
    let outcomes = tasks.join_all().await;
    let taken = outcomes
        .iter()
        .filter(|outcome| **outcome == Reserved::Taken);
    assert_eq!(taken.count(), 10);
    assert_eq!(shelf.level(SCARCE).await, 0);
    assert_eq!(shelf.level(PLENTY).await, 999_990);
}

/// Under overload it is Reserves that wait, and in the end are not served: who has reserved must come through.
#[tokio::test]
async fn a_confirmation_waits_behind_one_reservation_at_most() {
    let shelf = Arc::new(shelf().await);
    shelf.reserve("a", &[(SCARCE, 1)], 0).await.unwrap();
    let writer = shelf.store.store.write().await.unwrap();
    // On one thread tasks begin in the order in which they are spawned.
    let mut tasks = tokio::task::JoinSet::new();
    let reserved = Arc::new(AtomicUsize::new(0));
    for number in 0..50 {
        let (shelf, reserved) = (Arc::clone(&shelf), Arc::clone(&reserved));
        tasks.spawn(async move {
            let id = format!("order-{number}");
            shelf.reserve(&id, &[(PLENTY, 1)], 0).await.unwrap();
            reserved.fetch_add(1, Ordering::SeqCst);
        });
    }
    let confirming = Arc::clone(&shelf);
    tasks.spawn(async move {
        confirming.store.confirm(&order("a"), 0).await.unwrap();
        let before = reserved.load(Ordering::SeqCst);
        assert!(before <= 1, "{before} were served before it");
    });
    // All of them wait before the writer is free.
    tasks.spawn(async move { drop(writer) });
    tasks.join_all().await;
    assert_eq!(shelf.level(PLENTY).await, 999_950);
}

/// Polled once.
async fn begun<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn more_reservations_than_may_wait_are_refused_at_once() {
    let shelf = shelf().await;
    let writer = shelf.store.store.write().await.unwrap();
    let reserving = |id: String| {
        let shelf = &shelf;
        Box::pin(async move { shelf.reserve(&id, &[(PLENTY, 1)], 0).await })
    };
    let mut waiting: Vec<_> = (0..MOST).map(|n| reserving(format!("order-{n}"))).collect();
    for reserving in &mut waiting {
        assert!(begun(reserving).await.is_pending());
    }
    let late = begun(&mut reserving("late".to_owned())).await;
    assert!(
        matches!(late, Poll::Ready(Err(Error::Overloaded))),
        "{late:?}"
    );
    // Who goes away makes room.
    waiting.pop();
    drop(writer);
    waiting.push(reserving("next".to_owned()));
    for reserving in waiting {
        assert_eq!(reserving.await.unwrap(), Reserved::Taken);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_writer_free_and_the_stock_whole() {
    let shelf = shelf().await;
    for number in 0..20 {
        let id = format!("gone-{number}");
        let reserve = shelf.reserve(&id, &[(SCARCE, 1)], 0);
        // Dropped wherever it stands after so many microseconds: before, inside or after its transaction.
        tokio::time::timeout(Duration::from_micros(50 * number), reserve)
            .await
            .ok();
    }
    shelf.store.sweep(i64::MAX).await.unwrap();
    assert_eq!(shelf.level(SCARCE).await, 10);
    let next = shelf.reserve("next", &[(SCARCE, 10)], 0).await;
    assert_eq!(next.unwrap(), Reserved::Taken);
}

#[tokio::test]
async fn stock_and_reservations_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data).await;
    store
        .reserve(&order("a"), &lines(&[(SCARCE, 4)]), 0)
        .await
        .unwrap();
    store.close().await;

    let shelf = Shelf {
        store: open(&data).await,
        _dir: dir,
    };
    assert_eq!(shelf.level(SCARCE).await, 6);
    assert_eq!(
        shelf.store.confirm(&order("a"), 1).await.unwrap(),
        Confirmed::Now
    );
}

/// The ids of a seed: the first quoted word of each row.
fn ids(seed: &str) -> Vec<&str> {
    seed.lines()
        .filter_map(|line| line.trim().strip_prefix("('")?.split('\'').next())
        .collect()
}

#[test]
fn what_is_sold_is_in_stock() {
    let sold = ids(include_str!("../../../product/migrations/0002_seed.sql"));
    let stocked = ids(include_str!("../../migrations/0002_seed.sql"));
    assert_eq!(sold.len(), 12);
    assert_eq!(sold, stocked);
}
