//! Waiting, and what is said when it was in vain.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use telemetry_testing::{poll, poll_async};

/// Set for the child process in which giving up is observed: the variable belongs to a whole process.
const GIVE_UP: &str = "POLL_TEST_GIVES_UP";

#[test]
fn a_poll_asks_until_the_answer_is_ok() {
    let asked = Cell::new(0);
    let answer = poll("the third time", || {
        asked.set(asked.get() + 1);
        if asked.get() == 3 {
            Ok("done")
        } else {
            Err(asked.get())
        }
    });
    assert_eq!((answer, asked.get()), ("done", 3));
}

#[tokio::test]
async fn an_async_poll_lets_the_runtime_work() {
    let (sender, mut receiver) = tokio::sync::oneshot::channel();
    let work = async {
        tokio::task::yield_now().await;
        sender.send(7).unwrap();
    };
    let (number, ()) = tokio::join!(poll_async("the other task", || receiver.try_recv()), work);
    assert_eq!(number, 7);
}

#[test]
fn giving_up_reports_what_was_waited_for_and_the_last_state() {
    for test in ["the_plain_poll_in_vain", "the_async_poll_in_vain"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("poll::{test}"), "--nocapture"])
            .env(GIVE_UP, "yes")
            .env("TEST_PATIENCE", "0.2s")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{test} passed");
        assert!(
            stderr.contains("gave up after 200ms waiting for godot"),
            "{stderr}"
        );
        // Line ends of the state are real ones.
        assert!(
            stderr.contains("\"on his way\nsince \"noon\"\""),
            "{stderr}"
        );
        let here = Path::new(file!()).file_name().unwrap().to_str().unwrap();
        assert!(
            stderr.contains(here),
            "names the line that polled: {stderr}"
        );
    }
}

#[test]
fn the_plain_poll_in_vain() {
    if std::env::var(GIVE_UP).is_ok() {
        poll("godot", || Err::<(), _>("on his way\nsince \"noon\""));
    }
}

#[tokio::test]
async fn the_async_poll_in_vain() {
    if std::env::var(GIVE_UP).is_ok() {
        poll_async("godot", || Err::<(), _>("on his way\nsince \"noon\"")).await;
    }
}
