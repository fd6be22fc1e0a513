//! Connections: accepted until the service is to stop, then drained.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use contract::events;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use slog::{Logger, debug, info, warn};
use telemetry::ServiceContext;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::Running;

pub(crate) type Io = TokioIo<TcpStream>;

/// How long the loop waits after a failed accept. With no file descriptor left, accept fails at once and for as long as it lasts.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The most connections that the kernel completes ahead of us: what tokio asks it for.
const BACKLOG: usize = 1024;

/// What a connection without a request may still take once the last request is answered: time to flush that answer, and for a
/// request that was on its way to arrive.
const LINGER: Duration = Duration::from_millis(500);

/// Listens on `address`; port 0 takes a free one.
///
/// # Errors
/// The address cannot be had; the error names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (SHOP_LISTEN_ADDR)"))
}

/// Serves each connection of `listener` by `connect` until the service is to stop, then lets running requests end.
///
/// Telemetry's drain deadline is around this, so nothing here limits how long a request may take to end.
pub(crate) async fn run<C>(
    listener: TcpListener,
    running: Running,
    ctx: &ServiceContext,
    connect: impl Fn(Io, SocketAddr) -> C,
) -> anyhow::Result<()>
where
    C: GracefulConnection + Send + 'static,
    C::Error: std::fmt::Display + Send,
{
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    info!(ctx.log, "listening"; "event.name" => events::SERVICE_LISTENING,
        "server.address" => address.ip().to_string(), "server.port" => address.port());

    let connections = Connections::new(ctx.log.clone());
    let accepting = accept(
        || listener.accept(),
        |stream, peer| connections.start(stream, peer, &connect),
        &ctx.log,
    );
    tokio::select! {
        () = accepting => {}
        () = ctx.stopping.cancelled() => {}
    }
    // The kernel has completed these already, and their clients may have sent a request: closing the listener would reset them.
    for _ in 0..BACKLOG {
        let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        let Ok(Ok((stream, peer))) = waiting else {
            break;
        };
        connections.start(stream, peer, &connect);
    }
    drop(listener);
    connections.drain(running).await;
    Ok(())
}

/// Accepts without end. An error is logged when it begins to occur, and never ends the loop.
async fn accept<A, S, F>(mut next: A, mut start: S, log: &Logger)
where
    A: FnMut() -> F,
    F: Future<Output = io::Result<(TcpStream, SocketAddr)>>,
    S: FnMut(TcpStream, SocketAddr),
{
    let mut is_failing = false;
    loop {
        match next().await {
            Ok((stream, peer)) => {
                is_failing = false;
                start(stream, peer);
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    warn!(log, "connections cannot be accepted"; "event.name" => events::SERVICE_ACCEPT_FAILED, "exception.message" => error.to_string());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Connections {
    tasks: TaskTracker,
    graceful: GracefulShutdown,
    cut: CancellationToken,
    log: Logger,
}

impl Connections {
    fn new(log: Logger) -> Self {
        Self {
            tasks: TaskTracker::new(),
            graceful: GracefulShutdown::new(),
            cut: CancellationToken::new(),
            log,
        }
    }

    fn start<C>(&self, stream: TcpStream, peer: SocketAddr, connect: &impl Fn(Io, SocketAddr) -> C)
    where
        C: GracefulConnection + Send + 'static,
        C::Error: std::fmt::Display + Send,
    {
        // Small answers must not wait for a full segment. A socket that refuses the option is about to fail anyway.
        stream.set_nodelay(true).ok();
        let connection = self.graceful.watch(connect(TokioIo::new(stream), peer));
        let (cut, log) = (self.cut.clone(), self.log.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    debug!(log, "a connection ended early"; "event.name" => events::SERVICE_CONNECTION_ENDED, "exception.message" => error.to_string());
                },
                () = cut.cancelled() => {}
            }
        });
    }

    /// Waits for what runs, also for what begins meanwhile: a head that was half here, a stream that crossed our GOAWAY. A client
    /// that holds a connection open without a request cannot hold up the end of the service.
    async fn drain(self, running: Running) {
        running.close();
        tokio::select! {
            () = self.graceful.shutdown() => {}
            () = quiet(&running) => {
                debug!(self.log, "idle connections are cut"; "event.name" => events::SERVICE_CONNECTION_ENDED);
            }
        }
        self.cut.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Returns once no request runs, nor has begun to within the time that is left for it.
async fn quiet(running: &Running) {
    loop {
        running.wait().await;
        tokio::time::sleep(LINGER).await;
        if running.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_failed_accept_neither_ends_the_loop_nor_spins_it() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (calls, accepted) = (Cell::new(0), CancellationToken::new());
        let next = || {
            calls.set(calls.get() + 1);
            let fails = calls.get() <= 3;
            let listener = &listener;
            async move {
                if fails {
                    // EMFILE: no file descriptor is left.
                    return Err(io::Error::from_raw_os_error(24));
                }
                listener.accept().await
            }
        };
        let log = Logger::root(slog::Discard, slog::o!());
        let begun = std::time::Instant::now();
        tokio::select! {
            () = accept(next, |_, _| accepted.cancel(), &log) => {}
            () = accepted.cancelled() => {}
        }
        assert!(begun.elapsed() >= 3 * ACCEPT_PAUSE);
    }
}
