//! What running requests and idle connections see when the service is to stop.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use hosting::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
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
    entered.notified().await;

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
    entered.notified().await;

    // Longer than the server gives connections without a request.
    let mut answer = [0];
    let early = tokio::time::timeout(Duration::from_secs(1), half.read(&mut answer)).await;
    assert!(early.is_err(), "cut while it runs: {early:?}");
    gate.add_permits(1);
    assert!(read_to_end(&mut half).await.ends_with("waited"));
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
