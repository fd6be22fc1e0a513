//! A server under test, and a client that says exactly what it sends.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hosting::Limits;
use otel_tower::http::Edge;
use slog::{Drain, Logger, OwnedKVList, Record, o};
use telemetry::ServiceContext;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use warp::filters::BoxedFilter;
use warp::reply::Response;

/// Longer than anything here takes; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(10),
    in_flight: 8,
    body: 64,
};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stopping: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn http(routes: BoxedFilter<(Response,)>, limits: Limits) -> Self {
        Self::start(ANY_PORT, |listener, ctx| async move {
            hosting::http::serve(listener, routes, limits, Edge::Internal, &ctx).await
        })
        .await
    }

    pub(crate) async fn grpc(limits: Limits) -> Self {
        Self::grpc_on(ANY_PORT, limits).await
    }

    pub(crate) async fn grpc_on(address: SocketAddr, limits: Limits) -> Self {
        Self::start(address, |listener, ctx| async move {
            let methods: &[&str] = &["shop.test.v1.TestService/Do"];
            hosting::grpc::serve(listener, Routes::default(), methods, limits, &ctx).await
        })
        .await
    }

    async fn start<F, Fut>(address: SocketAddr, serve: F) -> Self
    where
        F: FnOnce(tokio::net::TcpListener, ServiceContext) -> Fut,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let listener = hosting::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stopping = CancellationToken::new();
        let ctx = ServiceContext {
            log: Logger::root(Lines(Arc::clone(&log)).fuse(), o!()),
            stopping: stopping.clone(),
        };
        Self {
            address,
            stopping,
            task: telemetry::spawn(serve(listener, ctx)),
            log,
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits until `serve` has returned.
    pub(crate) async fn ended(self) {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the server ends").unwrap().unwrap();
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn uri(&self, path: &str) -> http::Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` as it is and returns all that comes back until the server closes the connection.
    /// Sends in small pieces and lets the server act on each, as a network does.
    pub(crate) async fn trickle(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        for piece in request.as_bytes().chunks(4096) {
            stream.write_all(piece).await.unwrap();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        read_to_end(&mut stream).await
    }

    pub(crate) async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
        self.exchange(&request).await
    }
}

/// Asks again until the answer is `Ok`. Panics with the last `Err` when patience ends.
pub(crate) async fn until<T, E: Debug>(
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let begun = Instant::now();
    loop {
        match probe().await {
            Ok(done) => return done,
            Err(state) => assert!(begun.elapsed() < PATIENCE, "waited for {what}: {state:?}"),
        }
        // The interval of a poll.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the server closes the connection")
        .ok();
    String::from_utf8(answer).unwrap()
}

/// Asserts that `answer` is a problem document of `status`.
#[track_caller]
pub(crate) fn assert_problem(answer: &str, status: u16) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(
        head.contains("content-type: application/problem+json"),
        "{answer}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["status"], status, "{answer}");
    assert_eq!(body["type"], "about:blank", "{answer}");
}

struct Lines(Arc<Mutex<Vec<String>>>);

impl Drain for Lines {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), slog::Never> {
        let line = format!("{} {}", record.level(), record.msg());
        self.0.lock().unwrap().push(line);
        Ok(())
    }
}
