//! What running requests and idle connections see when the service is to stop.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use hosting::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::server::{LIMITS, PATIENCE, Server, read_to_end, until};

/// `/wait` tells when it is entered, and waits for the gate.
fn waiting(entered: &Arc<Notify>, gate: &Arc<Semaphore>) -> BoxedFilter<(Response,)> {
    let inside = (Arc::clone(entered), Arc::clone(gate));
    let wait = warp::path!("wait").then(move || {
        let (entered, gate) = (Arc::clone(&inside.0), Arc::clone(&inside.1));
        async move {
            entered.notify_one();
            let passed = gate.acquire().await.map(|_| "waited");
            passed.unwrap().into_response()
        }
    });
    wait.boxed()
}

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.expect("it happens in time")
}

/// From then on the server drains.
async fn until_refused(server: &Server) {
    let refused = async || match TcpStream::connect(server.address).await {
        Ok(_) => Err("accepted"),
        Err(_) => Ok(()),
    };
    until("new connections to be refused", refused).await;
}

#[tokio::test]
async fn a_running_request_is_answered_and_a_new_one_is_not_accepted() {
    let (entered, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let server = Server::http(waiting(&entered, &gate), LIMITS).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nhost: shop\r\n\r\n")
        .await
        .unwrap();
    within(entered.notified()).await;

    server.stop();
    until_refused(&server).await;
    assert!(server.is_running());

    gate.add_permits(1);
    // Also shows that the connection is closed although the client would keep it.
    assert!(read_to_end(&mut stream).await.ends_with("waited"));
    server.ended().await;
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let hello = warp::path!("hello").map(|| "hello".into_response());
    // So long that no other limit ends them meanwhile.
    let timeout = 3 * PATIENCE;
    let server = Server::http(hello.boxed(), Limits { timeout, ..LIMITS }).await;

    let mut idle = server.connect().await;
    idle.write_all(b"GET /hello HTTP/1.1\r\nhost: shop\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 1];
    idle.read_exact(&mut first).await.unwrap();
    let _silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET /hello HTTP/1.1\r\nhost: sh")
        .await
        .unwrap();

    server.stop();
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_begins_after_the_last_one_ended_is_answered() {
    let (entered, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let server = Server::http(waiting(&entered, &gate), LIMITS).await;
    let mut half = server.connect().await;
    half.write_all(b"GET /wait HTTP/1.1\r\nhost: sh")
        .await
        .unwrap();
    server.stop();
    until_refused(&server).await;
    half.write_all(b"op\r\n\r\n").await.unwrap();
    within(entered.notified()).await;

    // Longer than the server gives connections without a request.
    let mut answer = [0];
    let early = timeout(Duration::from_secs(1), half.read(&mut answer)).await;
    assert!(early.is_err(), "cut while it runs: {early:?}");
    gate.add_permits(1);
    assert!(read_to_end(&mut half).await.ends_with("waited"));
    server.ended().await;
}

/// A client that has not read our GOAWAY yet opens streams in good faith.
#[tokio::test]
async fn a_call_that_crosses_the_goaway_is_answered() {
    // The health service is asked for the health of everything, by an empty message.
    const CHECK: &[u8] = b"\0\0\0\0\0";
    let server = Server::grpc(LIMITS).await;
    let mut client = server.connect().await;
    client
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    Frame::new(SETTINGS, 0, 0, b"").send(&mut client).await;
    Frame::new(SETTINGS, ACK, 0, b"").send(&mut client).await;
    Frame::next(SETTINGS, &mut client).await;

    server.stop();
    Frame::next(GOAWAY, &mut client).await;
    // HPACK by hand: POST and http are in its table, names are too, values are literal.
    let mut head = vec![0x83, 0x86];
    for (name, value) in [
        (&[0x04][..], "/grpc.health.v1.Health/Check"),
        (&[0x01], "shop"),
        (&[0x0f, 0x10], "application/grpc"),
    ] {
        head.extend_from_slice(name);
        head.push(u8::try_from(value.len()).unwrap());
        head.extend_from_slice(value.as_bytes());
    }
    Frame::new(HEADERS, END_HEADERS, 1, &head)
        .send(&mut client)
        .await;
    // Longer than the server gives connections without a call.
    let answer = Frame::next(HEADERS, &mut client);
    let early = timeout(Duration::from_secs(1), answer).await;
    assert!(early.is_err(), "answered without a message");
    Frame::new(DATA, END_STREAM, 1, CHECK)
        .send(&mut client)
        .await;
    let answer = Frame::next(HEADERS, &mut client).await;
    assert_eq!(answer.stream, 1);
    // Entry 8 of the table: status 200, as of every answer of gRPC.
    assert_eq!(answer.payload[0], 0x88);
    server.ended().await;
}

#[tokio::test]
async fn a_request_that_waits_to_be_accepted_is_answered() {
    // Often enough that chance cannot accept every one of them before the stop is seen.
    for _ in 0..20 {
        let hello = warp::path!("hello").map(|| "hello".into_response());
        let server = Server::http(hello.boxed(), LIMITS).await;
        // Blocking, so that the server does not run before it is to stop: only the kernel has taken the connection.
        let mut client = std::net::TcpStream::connect(server.address).unwrap();
        client
            .write_all(b"GET /hello HTTP/1.1\r\nhost: shop\r\n\r\n")
            .unwrap();
        server.stop();

        client.set_nonblocking(true).unwrap();
        let mut client = TcpStream::from_std(client).unwrap();
        assert!(read_to_end(&mut client).await.ends_with("hello"));
        server.ended().await;
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Of HTTP/2 (RFC 9113, section 4.1). By hand: a client library has read the GOAWAY before it would send.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        let payload = payload.to_vec();
        Self {
            kind,
            flags,
            stream,
            payload,
        }
    }

    async fn send(&self, to: &mut TcpStream) {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        to.write_all(&bytes).await.unwrap();
    }

    /// The next one of this kind.
    async fn next(kind: u8, from: &mut TcpStream) -> Self {
        let next = async {
            loop {
                let mut head = [0; 9];
                from.read_exact(&mut head).await.unwrap();
                let [a, b, c, is, flags, w, x, y, z] = head;
                let length = u32::from_be_bytes([0, a, b, c]);
                let mut payload = vec![0; length.try_into().unwrap()];
                from.read_exact(&mut payload).await.unwrap();
                if is == kind {
                    let stream = u32::from_be_bytes([w, x, y, z]);
                    return Self::new(is, flags, stream, &payload);
                }
            }
        };
        within(next).await
    }
}
