//! The sink's thread: accepts connections while it is up, and can be told to close the port and open it again.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::answer::answer;
use super::state::State;

/// A port that was just closed may be held for a moment by a connection on its way out.
const BIND_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    /// `None` once dropping, which ends the thread.
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// Each carries a reply, so that the caller knows that the port is closed or open when it continues.
enum Command {
    Pause(mpsc::Sender<()>),
    Resume(mpsc::Sender<io::Result<()>>),
}

impl Server {
    #[track_caller]
    pub(super) fn start(address: SocketAddr, state: Arc<State>) -> Self {
        let (commands, inbox) = unbounded_channel();
        let (reply, started) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("otlp-sink".to_owned())
            .spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime for the OTLP sink")
                    .block_on(run(address, state, inbox, reply));
            })
            .expect("a thread for the OTLP sink");
        let address = started
            .recv()
            .expect("the OTLP sink's thread answers")
            .unwrap_or_else(|error| panic!("the OTLP sink cannot listen on {address}: {error}"));
        Self {
            address,
            commands: Some(commands),
            thread: Some(thread),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pause(&self) {
        let (reply, done) = mpsc::channel();
        self.send(Command::Pause(reply));
        done.recv().expect("the OTLP sink closed its port");
    }

    #[track_caller]
    pub(super) fn resume(&self) {
        let (reply, done) = mpsc::channel();
        self.send(Command::Resume(reply));
        if let Err(error) = done.recv().expect("the OTLP sink's thread answers") {
            panic!(
                "the OTLP sink cannot listen on {} again: {error}",
                self.address
            );
        }
    }

    fn send(&self, command: Command) {
        let commands = self.commands.as_ref().expect("taken only in drop");
        assert!(
            commands.send(command).is_ok(),
            "the OTLP sink's thread is gone"
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it; a second one while dropping would abort the test run.
            thread.join().ok();
        }
    }
}

async fn run(
    address: SocketAddr,
    state: Arc<State>,
    mut inbox: UnboundedReceiver<Command>,
    started: mpsc::Sender<io::Result<SocketAddr>>,
) {
    let (mut listener, address) = match bind(address).await {
        Ok(bound) => (Some(bound.0), bound.1),
        Err(error) => {
            started.send(Err(error)).ok();
            return;
        }
    };
    started.send(Ok(address)).ok();

    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                None => return,
                Some(Command::Pause(reply)) => {
                    listener = None;
                    connections.shutdown().await;
                    reply.send(()).ok();
                }
                Some(Command::Resume(reply)) => {
                    let outcome = match listener {
                        Some(_) => Ok(()),
                        None => bind(address).await.map(|bound| listener = Some(bound.0)),
                    };
                    reply.send(outcome).ok();
                }
            },
            accepted = accept(listener.as_ref()) => {
                let state = Arc::clone(&state);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(accepted), service);
                // An error is a sender that hung up or a wanted silence: the request log tells which.
                connections.spawn(async move { connection.await.ok() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The next connection; pends while there is no listener.
async fn accept(listener: Option<&TcpListener>) -> tokio::net::TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let started = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && started.elapsed() < BIND_PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
