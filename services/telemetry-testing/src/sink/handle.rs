//! The handle a test holds.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::Behaviour;
use super::server::Server;
use super::state::{Request, State};
use crate::matcher::Matcher;
use crate::model::{Log, Point, Signal, Span};

/// An OTLP/HTTP (protobuf) server on its own thread and runtime, so that both plain and async tests can use it,
/// and a test that blocks its own runtime does not stop it. It ends when dropped.
#[derive(Debug)]
pub struct Sink {
    state: Arc<State>,
    address: SocketAddr,
    /// `None` while paused.
    server: Mutex<Option<Server>>,
}

impl Sink {
    /// Starts on a free port of 127.0.0.1 and accepts everything.
    pub fn start() -> Self {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts on a given address: that of a sink which was stopped, or one that a test kept free. Panics when it stays in use.
    #[track_caller]
    pub fn start_on(address: SocketAddr) -> Self {
        let state = Arc::new(State::default());
        let server = Server::start(address, Arc::clone(&state));
        Self {
            state,
            address: server.address,
            server: Mutex::new(Some(server)),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Treats all three signals so from now on. Requests that [`Behaviour::Vanish`] left hanging lose their connection.
    pub fn behave(&self, behaviour: Behaviour) {
        for signal in Signal::ALL {
            self.state.set_behaviour(signal, behaviour);
        }
    }

    /// Treats one signal so from now on.
    pub fn behave_for(&self, signal: Signal, behaviour: Behaviour) {
        self.state.set_behaviour(signal, behaviour);
    }

    /// Closes the port and every connection; what was received stays.
    pub fn pause(&self) {
        self.replace(|| None);
    }

    /// Listens on the same port again; panics when another process took it meanwhile.
    #[track_caller]
    pub fn resume(&self) {
        self.replace(|| Some(Server::start(self.address, Arc::clone(&self.state))));
    }

    fn replace(&self, server: impl FnOnce() -> Option<Server>) {
        let mut running = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        drop(running.take());
        *running = server();
    }

    /// Closes the port for good and says which it was, for [`Sink::start_on`].
    pub fn stop(self) -> SocketAddr {
        self.address()
    }

    /// Every request so far in the order of arrival, also those refused or never answered.
    pub fn requests(&self) -> Vec<Request> {
        self.state.read(|received| received.requests.clone())
    }

    /// The accepted spans.
    pub fn spans(&self) -> Vec<Span> {
        self.state.read(|received| received.spans.clone())
    }

    /// The accepted spans of one trace.
    pub fn trace(&self, trace_id: &str) -> Vec<Span> {
        let of_trace = |span: &&Span| span.trace_id == trace_id;
        self.state
            .read(|received| received.spans.iter().filter(of_trace).cloned().collect())
    }

    /// The accepted log records.
    pub fn logs(&self) -> Vec<Log> {
        self.state.read(|received| received.logs.clone())
    }

    /// The accepted metric points, each export of a series as its own point.
    pub fn metrics(&self) -> Vec<Point> {
        self.state.read(|received| received.points.clone())
    }

    /// The newest accepted point of each series.
    pub fn latest_metrics(&self) -> Vec<Point> {
        self.state.read(|received| received.latest.clone())
    }

    /// A matcher over the spans of that name.
    pub fn span(&self, name: &str) -> Matcher<Span> {
        let state = Arc::clone(&self.state);
        Matcher::<Span>::over("span", move || state.read(|r| r.spans.clone())).name(name)
    }

    /// A matcher over the newest point of each series of that metric.
    pub fn metric(&self, name: &str) -> Matcher<Point> {
        let state = Arc::clone(&self.state);
        Matcher::<Point>::over("metric series", move || state.read(|r| r.latest.clone())).name(name)
    }

    /// A matcher over all log records.
    pub fn log(&self) -> Matcher<Log> {
        let state = Arc::clone(&self.state);
        Matcher::over("log record", move || state.read(|r| r.logs.clone()))
    }
}
