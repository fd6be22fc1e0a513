//! The runtime that telemetry is sent from.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempt::{self, Transport};
use super::retry::Schedule;
use super::{DeliveryClient, Ledger, Signal};

/// Owns the runtime and makes a client for each signal. Dropping it loses what is under way, as `shutdown`.
#[derive(Debug)]
pub(crate) struct Delivery {
    runtime: Option<Runtime>,
    transport: Transport,
    ledger: Arc<Ledger>,
    ends: watch::Sender<Option<Ends>>,
    /// One for each signal.
    open: [watch::Sender<()>; 3],
}

/// Tells when a signal was exported for the last time: the exporter gives its client back then, and not before.
#[derive(Debug)]
pub(crate) struct LastExport {
    handle: Handle,
    open: watch::Sender<()>,
}

/// The moments after which nothing is sent any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    items: Instant,
    metrics: Instant,
}

impl Delivery {
    /// Starts the runtime.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry-delivery")
            .enable_all()
            .on_thread_start(|| {
                // Never left: this thread makes no telemetry as long as it lives. Nobody could drop the guard in time.
                std::mem::forget(Context::enter_telemetry_suppressed_scope());
            })
            .build()?;
        let transport = attempt::transport();
        Ok(Self {
            runtime: Some(runtime),
            transport,
            ledger: Arc::new(Ledger::new()),
            ends: watch::Sender::new(None),
            open: Default::default(),
        })
    }

    /// The client for the exporter of `signal`; `None` after the end.
    pub(crate) fn client(&self, signal: Signal, timeout: Duration) -> Option<DeliveryClient> {
        let handle: Handle = self.runtime.as_ref()?.handle().clone();
        Some(DeliveryClient {
            signal,
            schedule: Schedule::new(signal, timeout),
            handle,
            transport: self.transport.clone(),
            ledger: Arc::clone(&self.ledger),
            ends: self.ends.subscribe(),
            _open: self.open[signal as usize].subscribe(),
        })
    }

    /// The last export of `signal`; `None` after the end.
    pub(crate) fn last_export(&self, signal: Signal) -> Option<LastExport> {
        Some(LastExport {
            handle: self.runtime.as_ref()?.handle().clone(),
            open: self.open[signal as usize].clone(),
        })
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Gives what is under way, and what still comes, until these moments; wakes what waits for its next attempt.
    pub(crate) fn end(&self, items: std::time::Instant, metrics: std::time::Instant) {
        let ends = Ends {
            items: items.into(),
            metrics: metrics.into(),
        };
        self.ends.send_replace(Some(ends));
    }
}

impl LastExport {
    /// Waits for it, however long it takes.
    pub(crate) fn wait(self) {
        self.handle.block_on(self.open.closed());
    }
}

impl Ends {
    pub(super) fn of(self, signal: Signal) -> Instant {
        match signal {
            Signal::Spans | Signal::Logs => self.items,
            Signal::Metrics => self.metrics,
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // Waits for nothing, so it may happen on a thread of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
