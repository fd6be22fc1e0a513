//! A shop in miniature on a port of its own: it takes orders, and answers as a test wants it to.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// What happens to requests other than that for the catalogue, which is always answered.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// As the shop does when all is well.
    Answer,
    /// Nothing is answered before so many have arrived.
    AnswerAfter(usize),
    /// Nothing is answered while the gate is closed.
    Closed(watch::Receiver<bool>),
    Status(u16),
    /// The connection ends in the middle of the answer.
    Break,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    arrived: Arc<watch::Sender<usize>>,
    asked: Arc<Mutex<Vec<String>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let arrived = Arc::new(watch::Sender::new(0));
        let asked = Arc::default();
        let shop = Shop {
            behaviour,
            arrived: Arc::clone(&arrived),
            asked: Arc::clone(&asked),
        };
        let handle = runtime.handle().clone();
        runtime.handle().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                handle.spawn(serve(stream, shop.clone()));
            }
        });
        Self {
            address,
            arrived,
            asked,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests other than that for the catalogue.
    pub(crate) fn arrived(&self) -> usize {
        *self.arrived.borrow()
    }

    /// The same number as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.arrived.subscribe()
    }

    /// Returns when so many have arrived.
    pub(crate) fn wait_for(&self, expected: usize) {
        let mut arrived = self.watch();
        let arrived = arrived.wait_for(|arrived| *arrived >= expected);
        self.runtime.as_ref().unwrap().block_on(arrived).unwrap();
    }

    /// Methods and paths, in the order in which they arrived.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Does not wait, which a test on a runtime of its own must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Shop {
    behaviour: Behaviour,
    arrived: Arc<watch::Sender<usize>>,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn serve(stream: TcpStream, shop: Shop) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shop = shop.clone();
        async move { Ok::<_, Infallible>(shop.answer(&request).await) }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that goes away is none of the server's concern.
    connection.await.unwrap_or_default();
}

impl Shop {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let asked = format!("{} {path}", request.method());
        self.asked.lock().unwrap().push(asked);
        if path == "/api/products" && request.method() == Method::GET {
            return response(
                200,
                r#"{"products":[{"id":"p-1","available":1000000},{"id":"p-2","available":1}]}"#,
            );
        }
        self.arrived.send_modify(|arrived| *arrived += 1);
        match &self.behaviour {
            Behaviour::Answer => {}
            Behaviour::AnswerAfter(expected) => {
                let mut arrived = self.arrived.subscribe();
                arrived
                    .wait_for(|arrived| arrived >= expected)
                    .await
                    .unwrap();
            }
            Behaviour::Closed(gate) => {
                // A test that is over without having opened it drops the sender.
                gate.clone().wait_for(|is_open| *is_open).await.ok();
            }
            Behaviour::Status(status) => return response(*status, "{}"),
            Behaviour::Break => {
                let mut broken = response(200, "{");
                let length = http::HeaderValue::from_static("1000");
                broken
                    .headers_mut()
                    .insert(http::header::CONTENT_LENGTH, length);
                return broken;
            }
        }
        match (request.method(), path) {
            (&Method::POST, "/api/orders") => {
                let mut placed = response(201, "{}");
                let location = http::HeaderValue::from_static("/api/orders/of-this-run");
                placed
                    .headers_mut()
                    .insert(http::header::LOCATION, location);
                placed
            }
            (&Method::GET, "/api/orders/of-this-run" | "/api/products/p-1") => response(200, "{}"),
            _ => response(404, "{}"),
        }
    }
}

fn response(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(
            "traceresponse",
            format!("00-{TRACE_ID}-b7ad6b7169203331-01"),
        )
        .body(Full::from(body))
        .unwrap()
}
