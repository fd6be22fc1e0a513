//! The program as a person runs it.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::server::{Behaviour, Server, TRACE_ID};

/// Without the caller's variables.
fn loadgen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn against(server: &Server, arguments: &[&str]) -> Output {
    let url = server.url();
    loadgen(&[&["--gateway", &url], arguments].concat())
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        )
    })
}

const SHORT: [&str; 6] = ["--rate", "200", "--duration", "500ms", "--warm-up", "100ms"];

#[test]
fn a_run_is_reported_as_a_table_and_as_json() {
    let server = Server::start(Behaviour::Answer);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    let output = against(
        &server,
        &[&SHORT[..], &["--json", path.to_str().unwrap()]].concat(),
    );
    let table = text(&output.stdout);
    assert!(output.status.success(), "{table}{}", text(&output.stderr));
    let trace = format!("just trace {TRACE_ID}");
    let words = [
        "total ",
        "p99.9",
        "own lateness",
        "seed 1",
        "\nok\n",
        &trace,
    ];
    for expected in words {
        assert!(table.contains(expected), "{expected}:\n{table}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (pointer, expected) in [
        ("/total/arrivals", json!(100)),
        ("/total/answered", json!(100)),
        ("/total/unexpected", json!(0)),
        ("/total/latency_ms/count", json!(100)),
        ("/warm_up/answered", json!(20)),
        ("/lateness_ms/count", json!(100)),
        ("/plan/mix/orders", json!(6)),
        ("/plan/orders", Value::Null),
        ("/is_complete", json!(true)),
        ("/verdict/is_ok", json!(true)),
    ] {
        assert_eq!(report.pointer(pointer), Some(&expected), "{pointer}");
    }
    let command = report["origin"]["command"].as_str().unwrap();
    assert!(command.contains(" --rate 200 "), "{command}");
    let rate = report["total"]["rate"].as_f64().unwrap();
    assert!(rate > 0.0 && rate <= 200.0, "{rate}");
    let routes = report["routes"].as_array().unwrap();
    let names: Vec<_> = routes.iter().map(|route| route["name"].clone()).collect();
    assert_eq!(
        names,
        ["orders", "catalogue", "product", "unknown-product", "order"]
    );
    for route in routes {
        assert!(table.contains(route["name"].as_str().unwrap()), "{table}");
        let of = |percentile: &str| route["latency_ms"][percentile].as_f64().unwrap();
        assert!(of("p50") > 0.0 && of("p50") <= of("p90"), "{route}");
        assert!(of("p99") <= of("p99.9") && of("p99.9") <= of("max"));
        assert_eq!(route["slowest"]["trace_id"], TRACE_ID);
    }
    assert_eq!(routes[3]["statuses"]["404"], routes[3]["answered"]);
}

#[test]
fn json_on_stdout_leaves_the_table_to_stderr() {
    let server = Server::start(Behaviour::Answer);
    let output = against(&server, &["--rate", "100", "--orders", "20", "--json", "-"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document = report(&output);
    assert_eq!(document["total"]["statuses"]["201"], 20);
    assert_eq!(document["plan"]["orders"], 20);
    assert!(text(&output.stderr).contains("p99.9"));
    // The catalogue, and orders: the product with one unit on the shelf would not have lasted.
    assert_eq!(server.asked().len(), 21);
    assert_eq!(server.asked()[0], "GET /api/products");
    assert!(
        server.asked()[1..]
            .iter()
            .all(|asked| asked == "POST /api/orders")
    );
}

#[test]
fn too_many_server_errors_are_a_failure_with_a_trace_to_look_at() {
    let server = Server::start(Behaviour::Status(503));
    let arguments = [&SHORT[..], &["--mix", "product=1", "--json", "-"]].concat();
    let output = against(&server, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let document = report(&output);
    assert_eq!(document["total"]["statuses"]["503"], 100);
    assert_eq!(document["total"]["unexpected"], 100);
    let seen = text(&output.stderr);
    assert!(
        seen.contains("100 of 100 answers were unexpected"),
        "{seen}"
    );
    assert!(
        seen.contains("unexpected product         503 after"),
        "{seen}"
    );
    let allowed = [&arguments[..], &["--max-error-ratio", "1"]].concat();
    assert!(against(&server, &allowed).status.success());
}

#[test]
fn one_request_that_fails_in_transport_is_a_failure() {
    let server = Server::start(Behaviour::Break);
    let arguments = ["--rate", "10", "--duration", "100ms", "--warm-up", "0s"];
    let arguments = [&arguments[..], &["--mix", "product=1", "--json", "-"]].concat();
    let output = against(&server, &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report(&output)["routes"][0]["failures"]["broken"], 1);
    assert!(text(&output.stderr).contains("1 requests failed in transport"));
}

#[test]
fn orders_that_were_not_placed_are_a_failure() {
    let server = Server::start(Behaviour::Status(409));
    let output = against(&server, &["--rate", "100", "--orders", "5"]);
    assert_eq!(output.status.code(), Some(1));
    let table = text(&output.stdout);
    assert!(table.contains("FAIL 0 of 5 orders were placed"), "{table}");
    assert!(table.contains("a product is sold out"), "{table}");
}

#[test]
fn ctrl_c_ends_a_run_with_a_report_of_what_was_done() {
    let server = Server::start(Behaviour::Answer);
    let url = server.url();
    let child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args([
            "--gateway",
            &url,
            "--duration",
            "5m",
            "--warm-up",
            "0s",
            "--json",
            "-",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for(5);
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let document = report(&output);
    assert_eq!(document["is_complete"], false);
    let answered = document["total"]["answered"].as_u64().unwrap();
    assert!((4..6_000).contains(&answered), "{answered}");
    assert!(document["seconds"].as_f64().unwrap() < 100.0);
    assert!(text(&output.stderr).contains("ended early"));
    assert!(output.status.success());
}

#[test]
fn without_a_shop_it_says_how_to_start_one() {
    let output = loadgen(&["--gateway", &nobody()]);
    assert_eq!(output.status.code(), Some(1));
    let seen = text(&output.stderr);
    assert!(
        seen.contains("no shop answers at http://127.0.0.1:"),
        "{seen}"
    );
    assert!(seen.contains("`just run` starts one"), "{seen}");
}

#[test]
fn what_is_refused_is_refused_before_anything_is_sent() {
    // Nobody listens there: whoever sends says so, and not what is expected here.
    let nobody = nobody();
    for (arguments, expected) in [
        (&["--rate", "0"][..], "--rate 0"),
        (
            &["--rate", "5000", "--duration", "60s"],
            "100000 is the most a run may send",
        ),
        (
            &["--duration", "11m", "--rate", "1"],
            "600s is the longest a run may take",
        ),
        (&["--orders", "100001"], "100001 requests, and 100000"),
        (
            &["--orders", "2", "--rate", "1e-19"],
            "600s is the longest a run may take",
        ),
        (&["--mix", "carts=3"], "`carts` is no route"),
        (&["--mix", "orders=x"], "the weight of `orders=x`"),
        (
            &["--orders", "5", "--scenario", "normal"],
            "cannot be used with",
        ),
        (
            &["--json", "/dev/null/report.json"],
            "cannot write /dev/null/report.json",
        ),
    ] {
        let output = loadgen(&[&["--gateway", &nobody], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        let seen = text(&output.stderr);
        assert!(seen.contains(expected), "{arguments:?}: {seen}");
    }
    let remote = loadgen(&["--gateway", "http://192.0.2.1:80"]);
    assert!(text(&remote.stderr).contains("192.0.2.1 is not this machine"));
}

#[test]
fn a_reader_that_stops_reading_and_arguments_that_are_no_text_are_no_errors() {
    let server = Server::start(Behaviour::Answer);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["--gateway", &server.url(), "--orders", "1"])
        .args([OsStr::new("--json"), OsStr::from_bytes(b"/dev/null/\xff")])
        .env("OTHER", OsStr::from_bytes(b"\xff"))
        .stdout(writer.try_clone().unwrap())
        .output()
        .unwrap();
    let seen = text(&output.stderr);
    assert!(
        seen.starts_with("loadgen: cannot write /dev/null/"),
        "{seen}"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["--gateway", &server.url(), "--orders", "1"])
        .env("OTHER", OsStr::from_bytes(b"\xff"))
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
}
