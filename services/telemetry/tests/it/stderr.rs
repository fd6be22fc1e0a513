//! A stderr that nobody reads: a service neither hangs on it nor keeps its telemetry back.

use std::io::{PipeReader, PipeWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use telemetry_testing::{Child, Sink};

use crate::support::{SERVICE, greeter_path, variables};

/// A pipe without place for one more byte. It stays open while the reader lives.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while writer.write(&vec![b'x'; size]).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_failure_that_nobody_reads_holds_up_neither_the_flush_nor_the_end() {
    // With a console its thread waits for the reader too, and holds the lock of stderr.
    for console in ["off", "on"] {
        let sink = Sink::start();
        let taken = sink.address().to_string();
        let settings = [
            ("SHOP_LISTEN_ADDR", taken.as_str()),
            ("SHOP_LOG_CONSOLE", console),
            ("SHOP_FLUSH_TIMEOUT", "2s"),
        ];
        let (_unread, stderr) = full_pipe();
        let variables = variables(&sink.endpoint(), &settings);
        let exit = Child::spawn_into(&greeter_path(), &variables, stderr).wait();
        assert_eq!(exit.code, Some(1), "console {console}");
        let stopped = sink.log().event("service.stopped");
        stopped.severity("ERROR").expect();
    }
}

const NAME: &str = "stderr::a_panic_is_told_in_the_log_and_waits_for_no_reader";

#[test]
fn a_panic_is_told_in_the_log_and_waits_for_no_reader() {
    if std::env::var("TEST_NAME").as_deref() == Ok(NAME) {
        return panic_twice();
    }
    let sink = Sink::start();
    let itself = std::env::current_exe().unwrap().display().to_string();
    let settings = [("TEST_BINARY", itself.as_str()), ("TEST_NAME", NAME)];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/itself.sh");
    let (_unread, stderr) = full_pipe();
    let variables = variables(&sink.endpoint(), &settings);
    let exit = Child::spawn_into(&script, &variables, stderr).wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);

    let panics: Vec<_> = exit
        .log_lines
        .iter()
        .filter(|line| line["exception.type"] == "panic")
        .collect();
    let [task, serve] = panics.as_slice() else {
        panic!("not two panics: {:?}", exit.log_lines);
    };
    assert_eq!(task["exception.message"], "in a task");
    assert_eq!(serve["exception.message"], "in serve");
    for line in panics {
        assert_eq!(line["event.name"], "telemetry.diagnostic");
        let place = line["exception.stacktrace"].as_str().unwrap();
        assert!(place.contains("tests/it/stderr.rs:"), "{place}");
    }
    let stopped = sink.log().event("service.stopped").severity("ERROR");
    let told = stopped
        .expect()
        .attributes
        .text("exception.message")
        .map(str::to_owned);
    assert_eq!(told.as_deref(), Some("panicked: in serve"));
}

/// What the process of its own does.
fn panic_twice() {
    let code = telemetry::run(
        SERVICE,
        |_| (),
        |(), _| async {
            telemetry::spawn(async { panic!("in a task") })
                .await
                .unwrap_err();
            panic!("in serve")
        },
    );
    assert_eq!(code, ExitCode::FAILURE);
}
