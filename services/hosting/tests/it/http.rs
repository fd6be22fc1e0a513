//! What an HTTP caller gets when a limit is met, and when nothing fits.

use std::sync::Arc;
use std::time::Duration;

use hosting::{Limits, health};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Barrier, Semaphore};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::server::{LIMITS, Server, assert_problem, read_to_end, until};

fn routes() -> BoxedFilter<(Response,)> {
    let hello = warp::path!("hello")
        .and(warp::get())
        .map(|| "hello".into_response());
    let panic = warp::path!("panic").map(|| -> Response { panic!("out of beans") });
    let never = warp::path!("never").then(|| async { std::future::pending::<Response>().await });
    let json = warp::path!("json")
        .and(warp::post())
        .and(warp::body::json())
        .map(|number: u32| number.to_string().into_response());
    hello
        .or(panic)
        .unify()
        .or(never)
        .unify()
        .or(json)
        .unify()
        .boxed()
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /json HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}\r\n\r\n{body}")
}

#[tokio::test]
async fn what_no_route_takes_is_a_problem() {
    let server = Server::http(routes(), LIMITS).await;
    assert_problem(&server.get("/nowhere").await, 404);
    assert_problem(&server.get("/json").await, 405);
    let json = "content-type: application/json\r\ncontent-length: 3";
    assert_problem(&server.exchange(&post(json, "abc")).await, 400);
    assert_problem(
        &server
            .exchange(&post("content-type: text/plain\r\ncontent-length: 1", "1"))
            .await,
        415,
    );
    assert!(
        server
            .exchange(&post(json, "123"))
            .await
            .ends_with("\r\n\r\n123")
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_declared_or_chunked() {
    let server = Server::http(routes(), LIMITS).await;
    let declared = "content-type: application/json\r\ncontent-length: 65";
    assert_problem(
        &server.exchange(&post(declared, &" ".repeat(65))).await,
        413,
    );

    let chunked = "content-type: application/json\r\ntransfer-encoding: chunked";
    let body = |spaces: usize| {
        format!(
            "{spaces:x}\r\n{}\r\n1\r\n7\r\n0\r\n\r\n",
            " ".repeat(spaces)
        )
    };
    assert_problem(&server.exchange(&post(chunked, &body(64))).await, 413);
    let within = server.exchange(&post(chunked, &body(63))).await;
    assert!(within.starts_with("HTTP/1.1 200 "), "{within}");
}

/// Closing on unread bytes would reset the connection, and the client would see that instead of the answer.
#[tokio::test]
async fn a_client_that_sends_far_too_much_still_reads_its_refusal() {
    let server = Server::http(routes(), LIMITS).await;
    let much = " ".repeat(600 * 1024);
    let declared = format!(
        "content-type: application/json\r\ncontent-length: {}",
        much.len()
    );
    assert_problem(&server.trickle(&post(&declared, &much)).await, 413);
    let chunked = "content-type: application/json\r\ntransfer-encoding: chunked";
    let body = format!("{:x}\r\n{much}\r\n0\r\n\r\n", much.len());
    assert_problem(&server.trickle(&post(chunked, &body)).await, 413);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_a_log_line_and_the_connection_goes_on() {
    let server = Server::http(routes(), LIMITS).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nhost: shop\r\n\r\n")
        .await
        .unwrap();
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let both = read_to_end(&mut stream).await;
    let (panic, hello) = both.split_at(both.rfind("HTTP/1.1").unwrap());
    assert_problem(panic, 500);
    assert!(hello.ends_with("hello"), "{both}");
    assert!(!both.contains("beans"), "{both}");
    assert!(
        server.log().contains(&"ERRO a handler panicked".to_owned()),
        "{:?}",
        server.log()
    );
}

#[tokio::test]
async fn a_handler_over_its_time_is_a_504() {
    let limits = Limits {
        timeout: Duration::from_millis(50),
        ..LIMITS
    };
    let server = Server::http(routes(), limits).await;
    assert_problem(&server.get("/never").await, 504);
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut_off() {
    let limits = Limits {
        timeout: Duration::from_millis(50),
        ..LIMITS
    };
    let server = Server::http(routes(), limits).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /hello HTTP/1.1\r\nhost: sh")
        .await
        .unwrap();
    for stream in [&mut silent, &mut slow] {
        let answer = read_to_end(stream).await;
        assert!(!answer.contains("200"), "{answer}");
    }
}

#[tokio::test]
async fn a_request_too_many_is_told_when_to_come_back() {
    let gate = Arc::new(Semaphore::new(0));
    let inside = Arc::clone(&gate);
    let wait = warp::path!("wait").then(move || {
        let gate = Arc::clone(&inside);
        async move {
            gate.acquire()
                .await
                .map(|_| "waited")
                .unwrap()
                .into_response()
        }
    });
    let limits = Limits {
        in_flight: 1,
        ..LIMITS
    };
    let server = Arc::new(Server::http(wait.or(routes()).unify().boxed(), limits).await);

    let waiting = Arc::clone(&server);
    let waiting = telemetry::spawn(async move { waiting.get("/wait").await });
    let shed = until("the first request to take the only place", async || {
        let answer = server.get("/hello").await;
        if answer.contains("200 OK") {
            Err(answer)
        } else {
            Ok(answer)
        }
    })
    .await;
    assert_problem(&shed, 503);
    assert!(shed.contains("retry-after: 1\r\n"), "{shed}");

    gate.add_permits(1);
    assert!(waiting.await.unwrap().ends_with("waited"));
    until("the place to be free again", async || {
        let answer = server.get("/hello").await;
        if answer.ends_with("hello") {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
}

#[tokio::test]
async fn readiness_asks_all_dependencies_at_the_same_time() {
    // Each is well only once the other has been asked.
    let both = Arc::new(Barrier::new(2));
    let check = |name| {
        let both = Arc::clone(&both);
        health::Check::new(name, move || {
            let both = Arc::clone(&both);
            async move {
                both.wait().await;
                Ok(())
            }
        })
    };
    let ctx = telemetry::ServiceContext {
        log: slog::Logger::root(slog::Discard, slog::o!()),
        stopping: tokio_util::sync::CancellationToken::new(),
    };
    let checks = vec![check("beans"), check("water")];
    let server = Server::http(health::routes(checks, &ctx), LIMITS).await;
    let answer = server.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let ctx = telemetry::ServiceContext {
        log: slog::Logger::root(slog::Discard, slog::o!()),
        stopping: tokio_util::sync::CancellationToken::new(),
    };
    let checks = vec![
        health::Check::new("beans", || async { Ok(()) }),
        health::Check::new("water", || async { anyhow::bail!("the tank is empty") }),
    ];
    let ready = Server::http(health::routes(vec![checks[0].clone()], &ctx), LIMITS).await;
    let unready = Server::http(health::routes(checks, &ctx), LIMITS).await;

    let answer = ready.get("/readyz").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let ready_now = serde_json::json!({"checks": {"beans": "ok"}, "status": "ready"});
    assert_eq!(body, ready_now, "{answer}");
    assert!(unready.get("/healthz").await.contains("200 OK"));
    let answer = unready.get("/readyz").await;
    assert_problem(&answer, 503);
    assert!(
        answer.contains(r#""checks":{"beans":"ok","water":"the tank is empty"}"#),
        "{answer}"
    );

    ctx.stopping.cancel();
    assert_problem(&ready.get("/readyz").await, 503);
}
