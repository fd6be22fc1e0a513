//! Real processes, but small ones: a shell script in Tempo's place, which is the one component that is not built here.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stack::process::{Identity, Launch, Stopped};
use stack::{Condition, Instance};
use tempfile::TempDir;

use crate::repository::root;

/// Ends when it is told to, and not before.
const LONG: &str = "/bin/sleep 600";

/// An isolated instance whose Tempo is a script.
struct Bench {
    dir: TempDir,
    stack: Instance,
}

impl Bench {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tempo = dir.path().join("tempo");
        fs::write(&tempo, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&tempo, fs::Permissions::from_mode(0o755)).unwrap();
        let stack = open(dir.path());
        Self { dir, stack }
    }

    fn tempo_port(&self) -> u16 {
        self.stack.variable("TEMPO_PORT").unwrap().parse().unwrap()
    }

    /// Starts it, and answers for it once its process is there: the script itself cannot listen.
    fn start(&self) -> u32 {
        let answering = answer_once(self.tempo_port(), open(self.dir.path()));
        self.stack.start_component("tempo").unwrap();
        answering.join().unwrap();
        self.stack.pid("tempo").unwrap()
    }

    fn condition(&self) -> Condition {
        self.stack
            .status()
            .unwrap()
            .into_iter()
            .find(|row| row.name == "tempo")
            .unwrap()
            .condition
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.stack.kill_component("tempo"));
    }
}

/// As another launcher would find it.
fn open(dir: &Path) -> Instance {
    let stack = Instance::isolated(&root(), &dir.join("instance")).unwrap();
    let tempo = dir.join("tempo");
    stack.with_variable("TEMPO_BIN", &tempo.to_string_lossy())
}

fn answer_once(port: u16, observer: Instance) -> JoinHandle<()> {
    thread::spawn(move || {
        // Not earlier: the launcher wants the port to be free before it starts its owner.
        poll("the process of tempo", || observer.is_running("tempo"));
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let read = stream.read(&mut [0; 512]).unwrap();
        assert!(read > 0);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    })
}

fn poll(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

fn is_alive(pid: i32) -> bool {
    Identity::of(pid).is_some()
}

fn read_pid(path: &Path) -> i32 {
    let read = || fs::read_to_string(path).ok()?.trim().parse().ok();
    poll("a pid in a file", || read().is_some());
    read().unwrap()
}

fn shell(dir: &Path, script: &str) -> Launch {
    Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: dir.to_owned(),
        log: dir.join("output.log"),
    }
}

/// A process that this test owns and the launcher does not know.
struct Foreign(Child);

impl Foreign {
    /// The leader of a group, as ours are.
    fn new() -> Self {
        Self(
            Command::new("/bin/sleep")
                .arg("600")
                .process_group(0)
                .spawn()
                .unwrap(),
        )
    }

    fn identity(&self) -> Identity {
        Identity::of(i32::try_from(self.0.id()).unwrap()).unwrap()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_component_outlives_its_launcher_is_found_by_the_next_one_and_stopped() {
    let bench = Bench::new(LONG);
    assert_eq!(bench.condition(), Condition::Stopped);
    let pid = bench.start();
    let next = open(bench.dir.path());
    assert_eq!(next.pid("tempo"), Some(pid));
    next.start_component("tempo").unwrap();
    assert_eq!(
        next.pid("tempo"),
        Some(pid),
        "a second start changes nothing"
    );
    next.stop_component("tempo").unwrap();
    assert!(!is_alive(pid.try_into().unwrap()));
    assert_eq!(bench.condition(), Condition::Stopped);
}

#[test]
fn a_component_that_ends_at_once_is_reported_with_its_last_words_of_this_start_only() {
    let bench = Bench::new(
        "echo \"run $(cat count 2>/dev/null)\"; echo 'cannot open the store' >&2; exit 3",
    );
    let first = bench
        .stack
        .start_component("tempo")
        .unwrap_err()
        .to_string();
    assert!(
        first.contains("tempo ended right after its start") && first.contains('3'),
        "{first}"
    );
    let second = bench
        .stack
        .start_component("tempo")
        .unwrap_err()
        .to_string();
    assert_eq!(
        second.matches("cannot open the store").count(),
        1,
        "{second}"
    );
    assert!(second.contains("tempo.log"), "{second}");
}

#[test]
fn a_taken_port_names_who_has_it_and_the_variable_that_moves_ours() {
    let bench = Bench::new(LONG);
    let _other = TcpListener::bind(("127.0.0.1", bench.tempo_port())).unwrap();
    let error = bench
        .stack
        .start_component("tempo")
        .unwrap_err()
        .to_string();
    let holder = format!("pid {}", std::process::id());
    for part in [
        &bench.tempo_port().to_string(),
        &holder,
        "`TEMPO_PORT=",
        "until `just down`",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    assert!(!bench.stack.is_running("tempo"), "nothing was started");
}

#[test]
fn a_component_that_died_is_told_from_one_that_was_stopped_and_what_it_left_is_cleared_away() {
    let bench = Bench::new("/bin/sleep 600 & echo $! > \"$STACK_HOME/child\"; wait");
    let pid = bench.start();
    let child = read_pid(&bench.dir.path().join("instance/child"));
    let status = Command::new("kill")
        .arg("-9")
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(status.success());
    poll("the end of the process", || {
        !bench.stack.is_running("tempo")
    });
    assert_eq!(bench.condition(), Condition::Died);
    assert!(is_alive(child), "it might hold the port");
    assert_ne!(bench.start(), pid, "it can be started again");
    assert!(!is_alive(child));
}

#[test]
fn an_interrupted_stop_is_finished_before_the_next_start() {
    let bench = Bench::new(LONG);
    let old = bench.start();
    let path = bench.dir.path().join("instance/state.json");
    let state = fs::read_to_string(&path).unwrap();
    assert!(state.contains("\"is_stopping\": false"));
    fs::write(
        &path,
        state.replace("\"is_stopping\": false", "\"is_stopping\": true"),
    )
    .unwrap();
    let answering = thread::spawn({
        let (port, observer) = (bench.tempo_port(), open(bench.dir.path()));
        move || {
            poll("a new process", || {
                observer.pid("tempo").is_some_and(|pid| pid != old)
            });
            answer_once(port, observer).join().unwrap();
        }
    });
    bench.stack.start_component("tempo").unwrap();
    answering.join().unwrap();
    assert!(!is_alive(old.try_into().unwrap()));
}

#[test]
fn a_script_that_replaces_itself_by_the_program_is_still_recognised() {
    let bench = Bench::new(&format!("read line < \"$STACK_HOME/fifo\"; exec {LONG}"));
    let fifo = bench.dir.path().join("instance/fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let answering = thread::spawn({
        let (port, observer) = (bench.tempo_port(), open(bench.dir.path()));
        move || {
            poll("the script", || observer.is_running("tempo"));
            let script = Identity::of(observer.pid("tempo").unwrap().try_into().unwrap()).unwrap();
            fs::write(&fifo, "go on\n").unwrap();
            poll("the program", || !script.is_alive());
            answer_once(port, observer).join().unwrap();
        }
    });
    bench.stack.start_component("tempo").unwrap();
    answering.join().unwrap();
    let program = Identity::of(bench.stack.pid("tempo").unwrap().try_into().unwrap()).unwrap();
    assert!(program.executable.ends_with("sleep"), "{program:?}");
    bench.stack.stop_component("tempo").unwrap();
    assert!(!program.is_alive());
}

#[test]
fn a_program_that_is_not_ours_gets_neither_the_settings_of_services_nor_the_shell() {
    let bench = Bench::new("/usr/bin/env; exit 1");
    let stack = open(bench.dir.path())
        .with_variable("OTEL_TRACES_EXPORTER", "otlp")
        .with_variable("CARGO", "/bin/cargo");
    let error = stack.start_component("tempo").unwrap_err();
    let output = fs::read_to_string(stack.component_log("tempo")).unwrap();
    let has = |name: &str| {
        output
            .lines()
            .any(|line| line.starts_with(&format!("{name}=")))
    };
    assert!(
        has("STACK_DATA") && has("TEMPO_PORT") && has("OTEL_METRIC_EXPORT_INTERVAL"),
        "{error}"
    );
    assert!(
        !has("OTEL_TRACES_EXPORTER") && !has("CARGO_MANIFEST_DIR") && !has("CARGO"),
        "{output}"
    );
}

#[test]
fn isolated_instances_share_no_port_and_keep_theirs() {
    let benches = [Bench::new(""), Bench::new("")];
    let ports = |stack: &Instance| {
        let env = crate::repository::env();
        let names = env
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.ends_with("_PORT"));
        names
            .map(|name| stack.variable(name).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let [first, second] = [ports(&benches[0].stack), ports(&benches[1].stack)];
    assert!(first.iter().all(|port| !second.contains(port)));
    assert_eq!(first, ports(&open(benches[0].dir.path())));
    assert!(
        benches[0]
            .stack
            .addresses()
            .tempo
            .ends_with(&benches[0].tempo_port().to_string())
    );
}

#[test]
fn the_children_of_a_killed_component_die_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let launch = shell(
        dir.path(),
        "/bin/sleep 600 & echo $! > child; trap '' TERM; wait; wait",
    );
    let started = launch.start().unwrap();
    let child = read_pid(&dir.path().join("child"));
    assert!(is_alive(child));
    assert_eq!(started.identity.kill(), Stopped::Killed);
    assert!(!is_alive(child) && !started.identity.is_alive());
    assert_eq!(started.identity.kill(), Stopped::WasGone);
}

#[test]
fn a_component_that_ignores_the_request_to_end_is_killed_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let launch = shell(
        dir.path(),
        "trap '' TERM; echo $$ > pid; while read line; do :; done < fifo",
    );
    assert!(
        Command::new("mkfifo")
            .arg(dir.path().join("fifo"))
            .status()
            .unwrap()
            .success()
    );
    let started = launch.start().unwrap();
    assert_eq!(read_pid(&dir.path().join("pid")), started.identity.pid);
    assert_eq!(
        started.identity.stop(Duration::from_millis(200)),
        Stopped::Killed
    );
    let willing = Launch {
        program: "/bin/sleep".into(),
        arguments: vec!["600".into()],
        ..launch
    };
    let willing = willing.start().unwrap();
    assert_eq!(
        willing.identity.stop(Duration::from_secs(20)),
        Stopped::Ended
    );
}

#[test]
fn a_group_with_the_number_of_one_from_before_the_machine_started_is_left_alone() {
    let bench = Bench::new(LONG);
    let launch = shell(bench.dir.path(), "/bin/sleep 600 & echo $! > child");
    let leader = launch.start().unwrap().identity;
    let child = read_pid(&bench.dir.path().join("child"));
    poll("the end of the leader", || !leader.is_alive());
    let state = |boot: &str| {
        let state = serde_json::json!({"boot": boot, "components": {"tempo": {
            "pid": leader.pid, "started": 1, "executable": "/usr/bin/tempo",
            "arguments": [], "log_offset": 0, "is_stopping": false,
        }}});
        let path = bench.dir.path().join("instance/state.json");
        fs::write(path, state.to_string()).unwrap();
    };
    state("another");
    assert_eq!(bench.condition(), Condition::Stopped, "and not died");
    bench.stack.stop_component("tempo").unwrap();
    bench.stack.kill_component("tempo").unwrap();
    assert!(is_alive(child));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    state(boot.trim());
    bench.stack.kill_component("tempo").unwrap();
    assert!(
        !is_alive(child),
        "of this boot it is what a component left behind"
    );
}

#[test]
fn a_program_that_one_shell_has_named_is_known_to_the_next_until_all_is_down() {
    let bench = Bench::new(LONG);
    bench.start();
    let other = || Instance::isolated(&root(), &bench.dir.path().join("instance")).unwrap();
    bench.stack.kill_component("tempo").unwrap();
    assert_eq!(bench.condition(), Condition::Stopped);
    let answering = answer_once(bench.tempo_port(), other());
    other().start_component("tempo").unwrap();
    answering.join().unwrap();
    let named = bench.stack.variable("TEMPO_BIN");
    assert_eq!(other().variable("TEMPO_BIN"), named);
    other().down(stack::Volumes::Keep).unwrap();
    assert_ne!(other().variable("TEMPO_BIN"), named);
}

#[test]
fn a_process_that_was_given_the_pid_of_ours_is_left_alone() {
    let bench = Bench::new(LONG);
    bench.start();
    bench.stack.kill_component("tempo").unwrap();
    let foreign = Foreign::new();
    let real = foreign.identity();
    let mistaken = [
        Identity {
            started: real.started - 1,
            ..real.clone()
        },
        Identity {
            executable: PathBuf::from("/usr/bin/tempo"),
            ..real.clone()
        },
    ];
    for identity in mistaken {
        let state = serde_json::json!({"components": {"tempo": {
            "pid": identity.pid, "started": identity.started, "executable": identity.executable,
            "arguments": [], "log_offset": 0, "is_stopping": false,
        }}});
        fs::write(
            bench.dir.path().join("instance/state.json"),
            state.to_string(),
        )
        .unwrap();
        assert!(!bench.stack.is_running("tempo"));
        bench.stack.stop_component("tempo").unwrap();
        fs::write(
            bench.dir.path().join("instance/state.json"),
            state.to_string(),
        )
        .unwrap();
        bench.stack.kill_component("tempo").unwrap();
        assert!(real.is_alive());
    }
}
