//! What one shell has set, another one finds; what an interrupted run has left, `down` stops. By the command itself, in a
//! small repository.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};

use stack::process::Identity;

use crate::docker::{Bench, startable, with_compiler};

const HEALTHY: &str = r#"{"Status":"running","Health":{"Status":"healthy"}}"#;

fn url_of_loki(bench: &Bench, variables: &[(&str, &str)]) -> String {
    let status = bench.stack(&["status", "--json"], variables);
    assert!(status.is_success, "{}", status.stderr);
    let rows: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    let loki = rows.iter().find(|row| row["name"] == "loki").unwrap();
    loki["url"].as_str().unwrap().to_owned()
}

#[test]
fn a_port_that_one_shell_has_set_is_known_to_the_next_until_all_is_down() {
    let bench = Bench::new(&startable(HEALTHY));
    let shipped = url_of_loki(&bench, &[]);
    let port = stack::ports::free(1)[0].to_string();
    let moved = shipped.rsplit_once(':').unwrap().0.to_owned() + ":" + &port;
    let up = with_compiler(&bench, &["up"], &[("LOKI_PORT", &port)]);
    assert!(up.is_success, "{}", up.stderr);
    assert_eq!(url_of_loki(&bench, &[]), moved);
    let again = with_compiler(&bench, &["up"], &[]);
    let told = format!("as it was started, until `just down`: LOKI_PORT={port}\n");
    assert!(again.stderr.contains(&told), "{}", again.stderr);
    assert_eq!(
        url_of_loki(&bench, &[("LOKI_PORT", "14999")]),
        moved.replace(&port, "14999"),
        "a shell that says something itself is heard"
    );
    assert!(bench.stack(&["down"], &[]).is_success);
    assert_eq!(url_of_loki(&bench, &[]), shipped);
}

#[test]
fn an_empty_project_name_is_none_and_a_set_one_is_kept() {
    let bench = Bench::new(&startable(HEALTHY));
    let up = with_compiler(&bench, &["up"], &[("COMPOSE_PROJECT_NAME", "")]);
    assert!(
        up.calls.contains("--project-name otel-shop "),
        "{}",
        up.calls
    );
    let bench = Bench::new(&startable(HEALTHY));
    let file = bench.path("repository/.env");
    let text = fs::read_to_string(&file).unwrap() + "COMPOSE_PROJECT_NAME=filed\n";
    fs::write(&file, text).unwrap();
    let up = with_compiler(&bench, &["up"], &[("COMPOSE_PROJECT_NAME", "")]);
    assert!(up.calls.contains("--project-name filed "), "{}", up.calls);
    let bench = Bench::new(&startable(HEALTHY));
    let up = with_compiler(&bench, &["up"], &[("COMPOSE_PROJECT_NAME", "mine")]);
    assert!(up.is_success, "{}", up.stderr);
    let down = bench.stack(&["down"], &[]);
    assert!(
        down.calls
            .lines()
            .last()
            .unwrap()
            .contains("--project-name mine "),
        "{}",
        down.calls
    );
}

/// What a check started before it was interrupted: a component of an instance below the main one's directory.
struct Leftover(Child);

impl Leftover {
    fn new(home: &Path) -> Self {
        fs::create_dir_all(home).unwrap();
        let mut command = Command::new("/bin/sleep");
        let child = command.arg("600").process_group(0).spawn().unwrap();
        let left = Self(child);
        let identity = left.identity();
        let state = serde_json::json!({"components": {"loki": {
            "pid": identity.pid, "started": identity.started, "executable": identity.executable,
            "arguments": [], "log_offset": 0, "is_stopping": false,
        }}});
        fs::write(home.join("state.json"), state.to_string()).unwrap();
        left
    }

    fn identity(&self) -> Identity {
        Identity::of(i32::try_from(self.0.id()).unwrap()).unwrap()
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn down_stops_what_an_interrupted_check_has_left_and_not_what_one_still_uses() {
    let bench = Bench::without_client();
    let [left, used] = ["selftest", "drill"].map(|name| bench.path("repository/.stack").join(name));
    let (mut left_child, mut used_child) = (Leftover::new(&left), Leftover::new(&used));
    let mut lock = File::create(used.join("held")).unwrap();
    lock.lock().unwrap();
    write!(lock, "4711").unwrap();
    let down = bench.stack(&["down"], &[]);
    assert!(down.is_success, "{}", down.stderr);
    for part in [
        "stopping what an interrupted run has left in .stack/selftest: loki",
        "left alone: what runs in .stack/drill is in use (pid 4711)",
    ] {
        assert!(down.stderr.contains(part), "{part}: {}", down.stderr);
    }
    assert!(!left_child.runs() && used_child.runs());
    drop(lock);
    let again = bench.stack(&["down"], &[]);
    assert!(!again.stderr.contains("selftest"), "{}", again.stderr);
    assert!(!used_child.runs());
}

#[test]
fn what_runs_is_stopped_also_where_nothing_can_be_written_down() {
    let bench = Bench::without_client();
    let home = bench.path("repository/.stack");
    let mut child = Leftover::new(&home);
    // As a full disk would, for whoever runs the test.
    fs::create_dir(home.join("state.json.next")).unwrap();
    let down = bench.stack(&["down"], &[]);
    assert!(!child.runs(), "{}", down.stderr);
    assert!(!down.is_success && down.stderr.contains("cannot write"));
    fs::remove_dir(home.join("state.json.next")).unwrap();
    assert!(bench.stack(&["down"], &[]).is_success);
}

#[test]
fn an_instance_is_held_by_one_until_that_one_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let open = || stack::Instance::isolated(&crate::repository::root(), dir.path()).unwrap();
    let held = open().hold().unwrap();
    let refused = open().hold().unwrap_err().to_string();
    assert!(
        refused.contains(&format!("pid {}", std::process::id())),
        "{refused}"
    );
    // Using it is another matter.
    open().down(stack::Volumes::Keep).unwrap();
    drop(held);
    drop(open().hold().unwrap());
}
