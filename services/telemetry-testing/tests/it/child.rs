//! A child process from start to end.

use std::fs;
use std::path::{Path, PathBuf};

use telemetry_testing::{Child, poll};

#[test]
fn it_says_where_it_listens_and_ends_with_its_own_code() {
    let child = start("");
    assert_eq!(child.listening().to_string(), "127.0.0.1:4242");
    child.terminate();
    let exit = child.wait();
    assert_eq!((exit.code, exit.signal), (Some(7), None));
    assert_eq!(exit.stderr, "stopping\n");
    assert_eq!(exit.stdout, "");
    let last = exit.log_lines.last().unwrap();
    assert_eq!(last["event.name"], "service.stopped");
}

#[test]
fn its_environment_is_what_was_given_and_nothing_of_ours() {
    let child = start("");
    child.listening();
    let text = fs::read_to_string(child.log_dir().join("environment")).unwrap();
    let mut names: Vec<_> = text
        .lines()
        .filter_map(|l| Some(l.split_once('=')?.0))
        .collect();
    // The shell adds these by itself.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(
        names,
        [
            "FIXTURE",
            "SHOP_DATA_DIR",
            "SHOP_LISTEN_ADDR",
            "SHOP_LOG_DIR"
        ]
    );
    assert!(text.contains("SHOP_LISTEN_ADDR=127.0.0.1:0\n"), "{text}");
    assert!(!child.data_dir().starts_with(child.log_dir()));
}

#[test]
fn given_directories_replace_the_temporary_ones() {
    let dir = tempfile::tempdir().unwrap();
    let given = dir.path().to_str().unwrap().to_owned();
    let env = [("FIXTURE", String::new()), ("SHOP_LOG_DIR", given)];
    let child = Child::spawn(&fixture(), &env);
    assert_eq!(child.log_dir(), dir.path());
    let log = dir.path().join("rust_app_fixture.log");
    poll("the log in the given directory", || {
        fs::metadata(&log).map(drop)
    });
    // The directory may be shared, so that only files of this binary's name are its own.
    assert!(child.log_lines().is_empty());
}

#[test]
fn a_kill_is_a_signal_and_reaches_its_whole_group() {
    let child = start("family");
    child.listening();
    let group = child.id();
    child.kill();
    assert_eq!(child.wait().signal, Some(9));
    poll("the group to be empty", || match members(group) {
        members if members.is_empty() => Ok(()),
        members => Err(members),
    });
}

#[test]
fn a_dropped_child_is_gone() {
    let child = start("");
    child.listening();
    let (id, log_dir) = (child.id(), child.log_dir().to_owned());
    drop(child);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
    assert!(!log_dir.exists());
}

#[test]
#[should_panic(expected = "ended with exit status: 64:\nSHOP_X: no such thing")]
fn a_refused_start_is_an_exit_with_its_reason() {
    assert_eq!(start("fails").wait().code, Some(64));
    start("fails").listening();
}

#[test]
fn rotated_logs_are_read_oldest_first() {
    let child = start("rotates");
    child.listening();
    let lines = child.log_lines();
    assert_eq!((&lines[0]["n"], &lines[1]["n"]), (&1.into(), &2.into()));
    assert_eq!(lines[2]["event.name"], "service.started");
}

#[test]
fn a_line_that_is_still_being_written_is_left_for_later() {
    let child = start("midline");
    child.listening();
    poll("the incomplete line", || {
        let text = fs::read_to_string(child.log_dir().join("rust_app_fixture.log")).unwrap();
        if text.ends_with("incompl") {
            Ok(())
        } else {
            Err(text)
        }
    });
    assert_eq!(child.log_lines().len(), 2);
}

#[test]
#[should_panic(expected = "run cargo build --workspace first")]
fn a_missing_binary_names_the_remedy() {
    Child::spawn(Path::new("/nonexistent/gateway"), &[]);
}

fn start(what: &str) -> Child {
    Child::spawn(&fixture(), &[("FIXTURE", what.to_owned())])
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/service.sh")
}

/// Processes of a group that still run.
fn members(group: u32) -> Vec<String> {
    let stats = fs::read_dir("/proc").unwrap().flatten();
    stats
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            // After the name, which is in brackets: state, parent, group.
            let fields: Vec<_> = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            fields.get(2) == Some(&group.to_string().as_str()) && fields[0] != "Z"
        })
        .collect()
}
