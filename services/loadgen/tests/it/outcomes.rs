//! What a run makes of answers that are not what it hoped for.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use http::uri::Authority;
use loadgen::client::{Client, Failure};
use loadgen::mix::Route;
use loadgen::shape::Shapes;
use tokio::sync::watch;

use crate::server::{Behaviour, Server, TRACE_ID};

async fn outcome(address: String, timeout: Duration) -> Result<u16, Failure> {
    let gateway = Authority::try_from(address).unwrap();
    let mut shapes = Shapes::new(gateway, vec!["p-1".to_owned()], 1);
    let answer = Client::new(timeout).send(shapes.next(Route::Orders)).await;
    answer.map(|answer| {
        assert_eq!(answer.trace_id.as_deref(), Some(TRACE_ID));
        answer.status
    })
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

#[tokio::test]
async fn each_way_to_fail_has_its_name() {
    let status = Server::start(Behaviour::Status(503));
    let status = outcome(status.address.to_string(), minute()).await;
    assert_eq!(status, Ok(503));

    let broken = Server::start(Behaviour::Break);
    let broken = outcome(broken.address.to_string(), minute()).await;
    assert_eq!(broken, Err(Failure::Broken));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let nobody = outcome(nobody.to_string(), minute()).await;
    assert_eq!(nobody, Err(Failure::Connect));
}

#[tokio::test]
async fn a_request_is_given_up_after_the_timeout() {
    let (_gate, closed) = watch::channel(false);
    let silent = Server::start(Behaviour::Closed(closed));
    let begun = Instant::now();
    let given_up = outcome(silent.address.to_string(), Duration::from_millis(50)).await;
    assert_eq!(given_up, Err(Failure::Timeout));
    assert!(begun.elapsed() >= Duration::from_millis(50));
}
