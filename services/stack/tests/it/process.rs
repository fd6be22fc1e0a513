//! Processes and their groups.

use std::path::Path;
use std::time::Duration;

use stack::process::{Launch, Stopped};

use crate::bench::{is_alive, read_pid};

fn shell(dir: &Path, script: &str) -> Launch {
    Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: [("PATH".to_owned(), "/usr/bin:/bin".into())].into(),
        directory: dir.to_owned(),
        log: dir.join("output.log"),
    }
}

#[test]
fn the_children_of_a_killed_process_die_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let started = shell(
        dir.path(),
        "/bin/sleep 600 & echo $! > child; trap '' TERM; wait; wait",
    )
    .start()
    .unwrap();
    let child = read_pid(&dir.path().join("child"));
    assert_eq!(started.identity.kill(), Stopped::Killed);
    assert!(!is_alive(child) && !started.identity.is_alive());
    assert_eq!(started.identity.kill(), Stopped::WasGone);
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let stubborn = shell(
        dir.path(),
        "trap '' TERM; echo $$ > pid; while :; do read line < /dev/zero; done",
    );
    let started = stubborn.start().unwrap();
    assert_eq!(read_pid(&dir.path().join("pid")), started.identity.pid);
    assert_eq!(
        started.identity.stop(Duration::from_millis(200)),
        Stopped::Killed
    );
    let willing = Launch {
        program: "/bin/sleep".into(),
        arguments: vec!["600".into()],
        ..stubborn
    };
    let willing = willing.start().unwrap();
    assert_eq!(
        willing.identity.stop(Duration::from_secs(20)),
        Stopped::Ended
    );
}

#[test]
fn a_script_that_replaces_itself_by_a_program_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let started = shell(dir.path(), "read line < fifo; exec /bin/sleep 600")
        .start()
        .unwrap();
    std::fs::write(&fifo, "go on\n").unwrap();
    crate::bench::poll("the program", || {
        started.current().executable.ends_with("sleep")
    });
    assert_eq!(
        started.current().stop(Duration::from_secs(20)),
        Stopped::Ended
    );
}
