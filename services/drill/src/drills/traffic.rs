//! Requests while a drill runs: good ones all the time, bad ones between break and fix.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::shop::{Answer, Shop};

/// Good orders a second: enough for a rate, and small beside the bad ones.
const GOOD: f64 = 2.0;
/// A request in flight longer than this many others waits for them: a machine of two cores is not to be flooded.
const AT_ONCE: usize = 60;
/// From here a caller would call it slow.
const SLOW: Duration = Duration::from_secs(1);

/// What is asked between break and fix, beside the good orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    Nothing,
    Orders { per_second: f64 },
    Scenario { name: &'static str, per_second: f64 },
}

#[derive(Debug)]
pub struct Traffic {
    state: Arc<State>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    is_broken: AtomicBool,
    answered: AtomicUsize,
    bad: AtomicUsize,
    first_bad: OnceLock<Instant>,
    trace: OnceLock<String>,
}

// === impl Traffic ===

impl Traffic {
    pub fn start(runtime: &Runtime, shop: &Shop, load: Load) -> Self {
        let state = Arc::new(State::default());
        let good = Load::Orders { per_second: GOOD };
        let mut tasks = vec![runtime.spawn(go_on(shop.clone(), good, Arc::clone(&state), true))];
        if load != Load::Nothing {
            tasks.push(runtime.spawn(go_on(shop.clone(), load, Arc::clone(&state), false)));
        }
        Self { state, tasks }
    }

    /// From here on the load comes, and answers are told apart.
    pub fn break_begins(&self) {
        self.state.is_broken.store(true, Ordering::Relaxed);
    }

    pub fn fix_is_done(&self) {
        self.state.is_broken.store(false, Ordering::Relaxed);
    }

    /// When the first request since the break was answered badly or slowly.
    pub fn first_bad(&self) -> Option<Instant> {
        self.state.first_bad.get().copied()
    }

    /// The trace of the first bad answer.
    pub fn bad_trace(&self) -> Option<&str> {
        self.state.trace.get().map(String::as_str)
    }

    /// Answered since the break, and how many of them badly or slowly.
    pub fn counts(&self) -> (usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (read(&self.state.answered), read(&self.state.bad))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

// === impl State ===

impl State {
    fn note(&self, answer: &Result<Answer, String>) {
        if !self.is_broken.load(Ordering::Relaxed) {
            return;
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        let is_bad = match answer {
            Ok(answer) => answer.status >= 500 || answer.took > SLOW,
            Err(_) => true,
        };
        if is_bad {
            self.bad.fetch_add(1, Ordering::Relaxed);
            self.first_bad.get_or_init(Instant::now);
            if let Ok(answer) = answer {
                self.trace.get_or_init(|| answer.trace_id.clone());
            }
        }
    }
}

/// Open loop: a slow answer does not make the next request wait.
async fn go_on(shop: Shop, load: Load, state: Arc<State>, is_always: bool) {
    let per_second = match load {
        Load::Nothing => return,
        Load::Orders { per_second } | Load::Scenario { per_second, .. } => per_second,
    };
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
    let mut running = JoinSet::new();
    loop {
        ticks.tick().await;
        while running.try_join_next().is_some() {}
        if running.len() >= AT_ONCE || !(is_always || state.is_broken.load(Ordering::Relaxed)) {
            continue;
        }
        let (shop, state) = (shop.clone(), Arc::clone(&state));
        running.spawn(async move {
            let answer = match load {
                Load::Scenario { name, .. } => shop.scenario(name).await,
                _ => shop.order(&format!("drill-{}", Uuid::now_v7())).await,
            };
            state.note(&answer);
        });
    }
}
