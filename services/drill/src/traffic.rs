//! Requests while a drill runs: good orders all the time, the load of the drill between break and fix.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;
use verify::breaks::Load;

use crate::shop::{Answer, Shop};

/// Good orders a second: enough for a rate, and few compared with the bad ones.
const GOOD: f64 = 2.0;
/// With so many in flight a request is left out: a machine of two cores is not to be flooded.
const AT_ONCE: usize = 60;
/// What a caller would call slow.
const SLOW: Duration = Duration::from_secs(1);

/// Stops on drop.
#[derive(Debug)]
pub struct Traffic {
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    is_broken: AtomicBool,
    answered: AtomicUsize,
    bad: AtomicUsize,
    first_bad: OnceLock<(Instant, String)>,
}

// === impl Traffic ===

impl Traffic {
    pub fn start(runtime: &Runtime, shop: &Shop, load: &Load) -> Self {
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let good = Load {
            scenario: None,
            per_second: GOOD,
        };
        for (load, is_always) in [(&good, true), (load, false)] {
            if load.per_second > 0.0 {
                let sent = send(shop.clone(), load.clone(), Arc::clone(&seen), is_always);
                tasks.spawn_on(sent, runtime.handle());
            }
        }
        Self {
            seen,
            _tasks: tasks,
        }
    }

    /// Between break and fix the load is sent, and answers are counted.
    pub fn set_broken(&self, is_broken: bool) {
        self.seen.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// When the first failed or slow answer since the break came, and its trace.
    pub fn first_bad(&self) -> Option<&(Instant, String)> {
        self.seen.first_bad.get()
    }

    /// Answers since the break, and how many of them failed or were slow.
    pub fn counts(&self) -> (usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (read(&self.seen.answered), read(&self.seen.bad))
    }
}

// === impl Seen ===

impl Seen {
    fn add(&self, answer: &Result<Answer, String>) {
        if !self.is_broken.load(Ordering::Relaxed) {
            return;
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        let is_good = |answer: &Answer| answer.status < 500 && answer.took <= SLOW;
        if !answer.as_ref().is_ok_and(is_good) {
            self.bad.fetch_add(1, Ordering::Relaxed);
            let trace = answer.as_ref().map(|answer| answer.trace_id.clone());
            let trace = trace.unwrap_or_default();
            self.first_bad.get_or_init(|| (Instant::now(), trace));
        }
    }
}

/// A slow answer does not delay the next request.
async fn send(shop: Shop, load: Load, seen: Arc<Seen>, is_always: bool) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / load.per_second));
    let mut running = JoinSet::new();
    loop {
        ticks.tick().await;
        while running.try_join_next().is_some() {}
        let is_due = is_always || seen.is_broken.load(Ordering::Relaxed);
        if running.len() < AT_ONCE && is_due {
            let (shop, seen, scenario) = (shop.clone(), Arc::clone(&seen), load.scenario.clone());
            running.spawn(async move {
                let answer = match scenario {
                    Some(name) => shop.scenario(&name).await,
                    None => shop.order(&format!("drill-{}", Uuid::now_v7())).await,
                };
                seen.add(&answer);
            });
        }
    }
}
