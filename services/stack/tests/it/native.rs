//! Starting, watching, restarting and stopping processes, by the command itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use stack::Instance;

use crate::bench::{Bench, is_alive, listen, poll, read_pid, run};

fn kill(pid: i32) {
    assert!(
        Command::new("kill")
            .arg("-9")
            .arg(pid.to_string())
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_second_run_starts_nothing_and_down_stops_senders_before_receivers() {
    let bench = Bench::new();
    let first = bench.stack(&["run"], &[]);
    first.succeeds_with(&[
        "runs natively: there is no `docker` on PATH",
        "starting order",
        "ready",
    ]);
    let at = |what: &str| first.stderr.find(what).unwrap();
    assert!(
        first.stderr.rfind("starting order").unwrap() > at("otel-collector  http"),
        "{}",
        first.stderr
    );
    let pids = ["otel-collector", "loki", "promtail", "order"].map(|name| bench.pid(name).unwrap());
    let again = bench.stack(&["run"], &[]);
    again.succeeds_with(&["everything is running"]);
    assert!(!again.stderr.contains("starting"), "{}", again.stderr);
    assert_eq!(bench.pid("order"), Some(pids[3]));
    let down = bench.stack(&["down"], &[]);
    let steps = [
        "stopped  order",
        "stopping otel-collector",
        "stopped  promtail",
        "stopping loki",
    ];
    let steps = steps.map(|step| down.stderr.find(step).unwrap());
    assert!(steps.is_sorted(), "{}", down.stderr);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
    bench
        .stack(&["down"], &[])
        .succeeds_with(&["nothing is running"]);
}

#[test]
fn a_component_restarts_if_its_program_arguments_environment_or_files_changed() {
    let bench = Bench::new();
    let up = |variables: &[(&str, &str)]| {
        let up = bench.stack(&["run"], variables);
        up.succeeds_with(&[]);
        let restarts = up.stderr.lines().filter(|line| line.contains("restarting"));
        restarts
            .map(|line| line.split("restarting ").nth(1).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(up(&[]).is_empty());
    assert_eq!(
        up(&[("SHOP_LOG_LEVEL", "debug")]),
        ["order, changed: environment"]
    );
    assert_eq!(
        up(&[]),
        ["order, changed: environment"],
        "no one has asked to keep it"
    );
    bench.install("order");
    assert_eq!(up(&[]), ["order, changed: program"]);
    fs::write(
        bench.root.join("loki.yaml"),
        "path: ${STACK_DATA}\nport: ${LOKI_PORT}\nmore: 1\n",
    )
    .unwrap();
    assert_eq!(up(&[]), ["loki, changed: files"]);
    let port = stack::ports::free(1)[0].to_string();
    assert_eq!(
        up(&[("LOKI_PORT", &port)]),
        ["loki, changed: arguments, environment"]
    );
    assert!(up(&[]).is_empty(), "a port is kept until down");
    assert!(
        bench.status("loki")["url"]
            .as_str()
            .unwrap()
            .ends_with(&port)
    );
    bench
        .stack(&["up"], &[])
        .succeeds_with(&[&format!("until `just down`: LOKI_PORT={port}")]);
    bench.stack(&["down"], &[]).succeeds_with(&[]);
    assert!(
        !bench.status("loki")["url"]
            .as_str()
            .unwrap()
            .ends_with(&port)
    );
}

#[test]
fn without_a_loki_the_collector_replaces_it_and_both_change_when_it_comes_and_goes() {
    let bench = Bench::new();
    let without = [("LOKI_BIN", "none")];
    let data = bench.root.join(".stack/data");
    bench.stack(&["up"], &without).succeeds_with(&[
        &format!("no loki (LOKI_BIN=none): lines go to {}", data.display()),
        "no promtail (it needs loki)",
    ]);
    assert_eq!(bench.status("loki")["condition"], "unavailable");
    // As long as nothing else is said, it stays so.
    bench
        .stack(&["up"], &[])
        .succeeds_with(&["no loki (LOKI_BIN=none)"]);
    let own = bench.path("bin/loki");
    let with = [("LOKI_BIN", own.to_str().unwrap())];
    bench.stack(&["up"], &with).succeeds_with(&[
        "restarting otel-collector, changed: arguments",
        "version 9.9.9, .env has 3.",
    ]);
    for name in ["loki", "promtail"] {
        assert_eq!(bench.status(name)["condition"], "ready");
    }
    bench
        .stack(&["up"], &without)
        .succeeds_with(&["stopped  loki", "restarting otel-collector"]);
    assert_eq!(bench.pid("promtail"), None);
    bench.stack(&["down"], &[]).succeeds_with(&[]);
    bench.stack(&["up"], &[]).succeeds_with(&["ready"]);
    assert!(bench.pid("loki").is_some(), "down forgets");
}

#[test]
fn what_ends_at_once_is_reported_with_its_last_lines_of_this_start() {
    let bench = Bench::new();
    bench.script("loki", "echo 'cannot open the store' >&2; exit 3");
    for _ in 0..2 {
        let up = bench.stack(&["up"], &[]);
        up.fails_with(&[
            "loki ended right after its start (exit status: 3)",
            "loki.log",
            "an unknown version",
        ]);
        assert_eq!(
            up.stderr.matches("cannot open the store").count(),
            1,
            "{}",
            up.stderr
        );
    }
}

#[test]
fn a_taken_port_is_reported_with_who_uses_it_and_the_variable_that_moves_it() {
    let bench = Bench::new();
    let port = bench.port("LOKI_PORT");
    let _other = listen(port);
    let holder = format!("pid {}", std::process::id());
    bench.stack(&["up"], &[]).fails_with(&[
        &port.to_string(),
        &holder,
        "`LOKI_PORT=",
        "until `just down`",
    ]);
    assert_eq!(
        bench.pid("otel-collector"),
        None,
        "checked before anything is started"
    );
}

#[test]
fn what_a_dead_component_has_left_is_stopped_before_the_next_start() {
    let bench = Bench::new();
    let program = bench.path("bin/otel-collector");
    bench.script(
        "loki",
        &format!(
            "/bin/sleep 600 & echo $! > $STACK_DATA/../child; exec {} $1",
            program.display()
        ),
    );
    bench.stack(&["up"], &[]).succeeds_with(&[]);
    let (pid, child) = (
        bench.pid("loki").unwrap(),
        read_pid(&bench.root.join(".stack/child")),
    );
    kill(pid);
    poll("the end of the process", || {
        bench.status("loki")["condition"] == "died"
    });
    assert!(is_alive(child), "it might hold a port");
    bench.stack(&["up"], &[]).succeeds_with(&["starting loki"]);
    assert!(!is_alive(child));
}

#[test]
fn an_interrupted_stop_is_finished_by_the_next_start() {
    let bench = Bench::new();
    bench.stack(&["up"], &[]).succeeds_with(&[]);
    let pid = bench.pid("loki").unwrap();
    let path = bench.root.join(".stack/state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    state["components"]["loki"]["hashes"] = serde_json::json!({});
    fs::write(&path, state.to_string()).unwrap();
    bench
        .stack(&["up"], &[])
        .succeeds_with(&["stopped  loki", "starting loki"]);
    assert!(!is_alive(pid));
}

#[test]
fn processes_that_are_not_ours_are_left_alone() {
    let bench = Bench::new();
    bench.stack(&["up"], &[]).succeeds_with(&[]);
    let path = bench.root.join(".stack/state.json");
    let state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let pid = bench.pid("loki").unwrap();
    let record = &state["components"]["loki"];
    let (started, executable) = (
        record["started"].as_u64().unwrap(),
        record["executable"].clone(),
    );
    // A later process with the same pid, another program, and a start of the machine ago.
    for (boot, started, executable) in [
        (state["boot"].clone(), started - 1, executable.clone()),
        (state["boot"].clone(), started, "/usr/bin/other".into()),
        ("another".into(), started, executable.clone()),
    ] {
        let mut mistaken = state.clone();
        mistaken["boot"] = boot;
        mistaken["components"]["loki"]["started"] = started.into();
        mistaken["components"]["loki"]["executable"] = executable;
        fs::write(&path, mistaken.to_string()).unwrap();
        bench.stack(&["stop", "loki"], &[]).succeeds_with(&[]);
        assert!(is_alive(pid), "{mistaken}");
    }
    fs::write(&path, state.to_string()).unwrap();
    bench
        .stack(&["stop", "loki"], &[])
        .succeeds_with(&["stopped  loki"]);
    assert!(!is_alive(pid));
}

#[test]
fn programs_get_the_variables_that_their_files_name_and_no_proxy() {
    let bench = Bench::new();
    let shell = [
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("EDITOR", "vi"),
        ("HOME", "/nowhere"),
    ];
    bench.stack(&["run"], &shell).succeeds_with(&[]);
    let has = |name: &str, variable: &str| {
        bench
            .output(name)
            .lines()
            .any(|line| line == format!("has {variable}"))
    };
    for variable in ["STACK_DATA", "LOKI_PORT", "HOME"] {
        assert!(has("loki", variable), "{variable}");
    }
    assert!(
        has("otel-collector", "OWN")
            && has("order", "OTEL_TRACES_EXPORTER")
            && has("order", "SHOP_FAULTS")
    );
    assert!(
        !has("loki", "OTEL_TRACES_EXPORTER")
            && !has("loki", "ORDER_PORT")
            && !has("order", "LOKI_PORT")
    );
    for name in ["loki", "order"] {
        assert!(!has(name, "HTTP_PROXY") && !has(name, "EDITOR"), "{name}");
    }
}

#[test]
fn a_value_that_is_not_utf8_is_an_error_only_if_the_variable_is_ours() {
    let bench = Bench::new();
    let bad = OsStr::from_bytes(b"\xff");
    run(bench.command(&["status"]).env("X", bad)).succeeds_with(&[]);
    run(bench.command(&["up"]).env("HOME", bad)).succeeds_with(&[]);
    for name in ["LOKI_PORT", "SHOP_LOG_LEVEL", "LOKI_BIN"] {
        run(bench.command(&["status"]).env(name, bad)).fails_with(&[name, "is not UTF-8"]);
    }
}

#[test]
fn directories_whose_names_are_syntax_are_refused_before_anything_starts() {
    for (name, character) in [("proj #2", "#"), ("a,b", ","), ("x[1]", "["), ("*", "*")] {
        let bench = Bench::named(name);
        let refused = format!("{}: the character `{character}`", bench.root.display());
        bench.stack(&["up"], &[]).fails_with(&[&refused]);
        assert!(!bench.root.join(".stack/data").exists());
    }
    Bench::named("with space")
        .stack(&["up"], &[])
        .succeeds_with(&["ready"]);
    let bench = Bench::new();
    bench
        .stack(&["up"], &[("SHOP_LOG_DIR", "/tmp/a*")])
        .fails_with(&["/tmp/a*: the character `*`"]);
}

#[test]
fn a_service_name_of_the_shell_is_not_passed_to_the_services() {
    let bench = Bench::new();
    let shell = [
        ("OTEL_SERVICE_NAME", "my-app"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=x, service.name=my-app"),
    ];
    bench.stack(&["run"], &shell).succeeds_with(&[
        "not passed to the services, which have names of their own: OTEL_SERVICE_NAME, service.name in OTEL_RESOURCE_ATTRIBUTES",
    ]);
    let environ = fs::read(format!("/proc/{}/environ", bench.pid("order").unwrap())).unwrap();
    let environ = String::from_utf8(environ).unwrap();
    assert!(
        environ.contains("OTEL_RESOURCE_ATTRIBUTES=team=x\0") && !environ.contains("my-app"),
        "{environ}"
    );
}

#[test]
fn isolated_instances_have_ports_of_their_own_and_down_stops_what_an_interrupted_one_left() {
    let bench = Bench::new();
    let home = bench.root.join(".stack/drill");
    let open = || Instance::isolated(&bench.root, &home).unwrap();
    let isolated = ["--isolated", home.to_str().unwrap(), "up"];
    bench.stack(&isolated, &[]).succeeds_with(&["ready"]);
    let pid = open().pid("loki").unwrap();
    assert_eq!(open().variable("LOKI_PORT"), open().variable("LOKI_PORT"));
    assert_ne!(
        open().variable("LOKI_PORT").unwrap(),
        bench.port("LOKI_PORT").to_string()
    );
    let held = open().hold().unwrap();
    assert!(
        open()
            .hold()
            .unwrap_err()
            .to_string()
            .contains(&format!("in use by pid {}", std::process::id()))
    );
    bench
        .stack(&["down"], &[])
        .succeeds_with(&["left running:"]);
    assert!(is_alive(pid.try_into().unwrap()));
    drop(held);
    bench
        .stack(&["down"], &[])
        .succeeds_with(&["stopping what an interrupted run has left in"]);
    assert!(!is_alive(pid.try_into().unwrap()));
}
