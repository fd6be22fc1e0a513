//! What the HTTP client says when there is no answer.

use std::time::Duration;

use hosting::client::{Client, Error};
use tokio::net::TcpListener;
use warp::{Filter, Reply};

use crate::server::{LIMITS, PATIENCE, Server};

#[tokio::test]
async fn an_answer_of_any_status_is_an_answer() {
    let server = Server::http(
        warp::path!("hello").map(|| "hello".into_response()).boxed(),
        LIMITS,
    )
    .await;
    let client = Client::new(PATIENCE);
    let hello = client.get(server.uri("/hello"), "/hello").await.unwrap();
    assert_eq!(hello.body(), "hello");
    let nowhere = client.get(server.uri("/nowhere"), "/{any}").await.unwrap();
    assert_eq!(nowhere.status(), 404);
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: http::Uri = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let client = Client::new(Duration::from_millis(50));
    let silent = client.get(uri.clone(), "/").await;
    assert!(matches!(silent, Err(Error::TimedOut(_))), "{silent:?}");

    drop(listener);
    let gone = client.get(uri, "/").await;
    assert!(matches!(gone, Err(Error::Unreachable(_))), "{gone:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let large = warp::path!("large").map(|| vec![b'x'; 1024 * 1024 + 1].into_response());
    let server = Server::http(large.boxed(), LIMITS).await;
    let answer = Client::new(PATIENCE)
        .get(server.uri("/large"), "/large")
        .await;
    assert!(matches!(answer, Err(Error::TooLarge)), "{answer:?}");
}
