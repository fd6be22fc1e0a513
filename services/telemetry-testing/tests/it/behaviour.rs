//! Each way a backend can fail, seen from the sender.

use std::time::{Duration, Instant};

use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use telemetry_testing::{Behaviour, Signal, Sink, poll_async};

use crate::wire::{self, Sender, counter};

#[tokio::test]
async fn a_refusal_has_its_status_and_retry_after_and_keeps_nothing() {
    let sink = Sink::start();
    let sender = Sender::new();
    sink.behave(Behaviour::Refuse {
        status: 429,
        retry_after: Some(Duration::from_secs(7)),
    });
    let answer = sender
        .post(sink.address(), "/v1/traces", wire::spans(2))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(answer.headers["content-type"], "application/x-protobuf");
    assert!(sink.spans().is_empty());

    sink.behave(Behaviour::Refuse {
        status: 503,
        retry_after: None,
    });
    let answer = sender
        .post(sink.address(), "/v1/traces", wire::spans(2))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.headers.contains_key("retry-after"));

    sink.behave(Behaviour::Accept);
    sender
        .post(sink.address(), "/v1/traces", wire::spans(2))
        .await
        .unwrap();
    assert_eq!(sink.spans().len(), 2);
    let seen: Vec<_> = sink
        .requests()
        .iter()
        .map(|r| (r.items, r.status))
        .collect();
    assert_eq!(seen, [(2, Some(429)), (2, Some(503)), (2, Some(200))]);
}

#[tokio::test]
async fn a_partial_success_says_how_many_and_keeps_the_rest() {
    let sink = Sink::start();
    let sender = Sender::new();
    sink.behave(Behaviour::Partial { rejected: 2 });

    let answer = sender
        .post(sink.address(), "/v1/traces", wire::spans(5))
        .await
        .unwrap();
    let answer = ExportTraceServiceResponse::decode(answer.body).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 2);
    assert_eq!(sink.spans().len(), 3);

    let points = wire::metrics("x", (0..3).map(|n| counter("n", &[], n, 1)).collect());
    let answer = sender
        .post(sink.address(), "/v1/metrics", points)
        .await
        .unwrap();
    let answer = ExportMetricsServiceResponse::decode(answer.body).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_data_points, 2);
    assert_eq!(sink.metrics().len(), 1);

    // A request of one item cannot have two refused.
    let record = wire::logs("x", vec![LogRecord::default()]);
    let answer = sender
        .post(sink.address(), "/v1/logs", record)
        .await
        .unwrap();
    let answer = ExportLogsServiceResponse::decode(answer.body).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_log_records, 1);
    assert!(sink.logs().is_empty());

    let rejected: Vec<_> = sink.requests().iter().map(|r| r.rejected).collect();
    assert_eq!(rejected, [2, 2, 1]);
}

#[tokio::test]
async fn a_delay_is_kept_and_a_sender_that_hangs_up_before_has_sent_nothing() {
    let sink = Sink::start();
    let delay = Duration::from_millis(150);
    sink.behave(Behaviour::Delay(delay));
    let started = Instant::now();
    let answer = Sender::new()
        .post(sink.address(), "/v1/traces", wire::spans(1))
        .await;
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    assert!(started.elapsed() >= delay);
    assert_eq!(sink.spans().len(), 1);

    sink.behave(Behaviour::Delay(Duration::from_secs(3600)));
    let answer = Sender::new()
        .post(sink.address(), "/v1/traces", wire::spans(1))
        .await;
    assert!(answer.is_none(), "the sender gave up after two seconds");
    assert_eq!(sink.requests()[1].status, None);
    assert_eq!(sink.spans().len(), 1);
}

#[tokio::test]
async fn silence_takes_the_request_and_ends_when_the_behaviour_does() {
    let sink = Sink::start();
    sink.behave(Behaviour::Vanish);
    let address = sink.address();
    let asked = async {
        Sender::new()
            .post(address, "/v1/traces", wire::spans(1))
            .await
    };
    let started = Instant::now();
    assert!(asked.await.is_none());
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "cut instead of left waiting"
    );
    assert_eq!(sink.requests()[0].status, None);

    // A request that still waits loses its connection once the backend is back: its sender can try again.
    let waiting = async {
        Sender::new()
            .post(address, "/v1/traces", wire::spans(1))
            .await
    };
    let back = async {
        let arrived = || {
            if sink.requests().len() == 2 {
                Ok(())
            } else {
                Err(sink.requests())
            }
        };
        poll_async("the second request", arrived).await;
        sink.behave(Behaviour::Accept);
    };
    let started = Instant::now();
    let (answer, ()) = tokio::join!(waiting, back);
    assert!(answer.is_none());
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "left waiting instead of cut"
    );
    assert!(sink.spans().is_empty());
}

#[tokio::test]
async fn one_signal_can_fail_while_another_works() {
    let sink = Sink::start();
    let sender = Sender::new();
    sink.behave_for(
        Signal::Logs,
        Behaviour::Refuse {
            status: 500,
            retry_after: None,
        },
    );
    let refused = sender
        .post(sink.address(), "/v1/logs", wire::logs("x", Vec::new()))
        .await;
    let accepted = sender
        .post(sink.address(), "/v1/traces", wire::spans(1))
        .await;
    assert_eq!(refused.unwrap().status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(accepted.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_paused_sink_refuses_connections_and_keeps_what_it_had() {
    let sink = Sink::start();
    let sender = Sender::new();
    let post = || sender.post(sink.address(), "/v1/traces", wire::spans(1));
    assert!(post().await.is_some());
    sink.pause();
    assert!(
        tokio::net::TcpStream::connect(sink.address())
            .await
            .is_err()
    );
    assert!(
        post().await.is_none(),
        "the kept-alive connection is closed too"
    );
    sink.resume();
    assert!(post().await.is_some());
    assert_eq!(sink.spans().len(), 2);
}

#[tokio::test]
async fn a_stopped_sink_frees_its_port_for_the_next() {
    let sender = Sender::new();
    let first = Sink::start();
    sender
        .post(first.address(), "/v1/traces", wire::spans(1))
        .await
        .unwrap();
    let address = first.stop();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());

    let second = Sink::start_on(address);
    assert_eq!(second.endpoint(), format!("http://{address}"));
    sender
        .post(address, "/v1/traces", wire::spans(2))
        .await
        .unwrap();
    assert_eq!(second.spans().len(), 2, "only what the second received");
}
