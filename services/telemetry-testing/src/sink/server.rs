//! The sink's thread: accepts connections from its start until it is dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::answer::answer;
use super::state::State;

/// A port that was just closed may be kept for a moment by a connection that is closing.
const BIND_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// `None` once dropping, which ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    #[track_caller]
    pub(super) fn start(address: SocketAddr, state: Arc<State>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (reply, started) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the OTLP sink");
        let thread = thread::Builder::new()
            .name("otlp-sink".to_owned())
            .spawn(move || runtime.block_on(run(address, state, stopped, reply)))
            .expect("a thread for the OTLP sink");
        let address = started
            .recv()
            .expect("the OTLP sink's thread replies")
            .unwrap_or_else(|error| panic!("the OTLP sink cannot listen on {address}: {error}"));
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

/// The port and every connection are closed when this returns.
impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it; a second one while dropping would abort the test run.
            thread.join().ok();
        }
    }
}

async fn run(
    address: SocketAddr,
    state: Arc<State>,
    mut stopped: oneshot::Receiver<()>,
    started: mpsc::Sender<io::Result<SocketAddr>>,
) {
    let listener = match bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            started.send(Err(error)).ok();
            return;
        }
    };
    started.send(listener.local_addr()).ok();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let state = Arc::clone(&state);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // An error is a sender that disconnected or a wanted silence: the request log has which.
                connections.spawn(async move { connection.await.ok() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let started = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && started.elapsed() < BIND_PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bound => return bound,
        }
    }
}
