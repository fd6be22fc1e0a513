//! What a gRPC caller gets. The health service is enough of a service to call.

use std::time::Duration;

use hosting::{Limits, grpc};
use tokio::net::TcpListener;
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::server::{LIMITS, PATIENCE, Server, until};

fn client(target: &http::Uri, deadline: Duration) -> HealthClient<grpc::Channel> {
    HealthClient::new(grpc::channel(target, deadline))
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn every_service_is_reported_healthy() {
    let server = Server::grpc(LIMITS).await;
    let mut client = client(&server.uri(""), PATIENCE);
    for service in ["", "shop.test.v1.TestService"] {
        let health = client.check(of(service)).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving, "{service}");
    }
    // In a task, which needs the future of a call to be `Send`.
    let unknown = telemetry::spawn(async move { client.check(of("unheard-of")).await });
    let unknown = unknown.await.unwrap().unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_as_such() {
    let server = Server::grpc(LIMITS).await;
    let mut client = client(&server.uri(""), PATIENCE);
    let refused = client.check(of(&"x".repeat(100))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
}

#[tokio::test]
async fn a_call_too_many_is_unavailable() {
    let limits = Limits {
        in_flight: 1,
        ..LIMITS
    };
    let server = Server::grpc(limits).await;
    let mut client = client(&server.uri(""), PATIENCE);
    let watching = client.watch(of("")).await.unwrap();
    let refused = client.check(of("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");

    drop(watching);
    until("the place to be free again", async || {
        client.clone().check(of("")).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_watcher_hears_of_the_end_and_does_not_hold_it_up() {
    let server = Server::grpc(LIMITS).await;
    let mut client = client(&server.uri(""), PATIENCE);
    let mut watching = client.watch(of("")).await.unwrap().into_inner();
    let mut next = async || {
        watching
            .message()
            .await
            .unwrap()
            .map(|health| health.status())
    };
    assert_eq!(next().await, Some(ServingStatus::Serving));

    server.stop();
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    assert_eq!(next().await, None);
    server.ended().await;
}

#[tokio::test]
async fn a_channel_connects_when_the_other_side_comes_and_comes_back() {
    let server = Server::grpc(LIMITS).await;
    let (uri, address) = (server.uri(""), server.address);
    server.stop();
    server.ended().await;

    let mut client = client(&uri, PATIENCE);
    let down = client.check(of("")).await.unwrap_err();
    assert_eq!(down.code(), Code::Unavailable, "{down:?}");

    let server = Server::grpc_on(address, LIMITS).await;
    client.check(of("")).await.unwrap();
    server.stop();
    server.ended().await;
    let _server = Server::grpc_on(address, LIMITS).await;
    until("the channel to connect again", async || {
        client.clone().check(of("")).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let late = client(&uri, Duration::from_millis(50))
        .check(of(""))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let uri = uri.parse().unwrap();
    let mut client = client(&uri, PATIENCE);
    let hang_up = async {
        loop {
            drop(listener.accept().await);
        }
    };
    let lost = tokio::select! {
        lost = client.check(of("")) => lost.unwrap_err(),
        () = hang_up => unreachable!("a loop without an end"),
    };
    assert_eq!(lost.code(), Code::Unavailable, "{lost:?}");
}
