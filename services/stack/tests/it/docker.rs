//! The Docker way against a stub: a script in the client's place, so that no test needs an engine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::repository::{env, read};

/// An engine that answers, with compose; nothing runs, no image is there, and none can be pulled.
const USABLE: &str = r#"
  "info "*) echo '{"ServerVersion":"28.2.2","MemTotal":8000000000}' ;;
  "compose version"*) echo 2.40.3 ;;
  *" config "*) echo '{"services":{"loki":{"ports":[{"published":"'$LOKI_PORT'"}]},"promtail":{"build":{}}}}' ;;
  "image inspect"*) exit 1 ;;
  "pull "*) echo 'lookup registry-1.docker.io: no such host' >&2; exit 1 ;;
"#;

/// A small repository, and a directory that is all of `PATH`.
pub(crate) struct Bench {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

pub(crate) struct Outcome {
    pub(crate) is_success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) calls: String,
}

impl Bench {
    /// `answers`: arms of a `case` over the client's arguments.
    pub(crate) fn new(answers: &str) -> Self {
        let bench = Self::without_client();
        bench.script(
            "docker",
            &format!("echo \"$*\" >> \"$STUB/calls\"\ncase \"$*\" in\n{answers}\nesac"),
        );
        bench
    }

    pub(crate) fn without_client() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        for folder in [
            "bin",
            "repository/collector",
            "repository/grafana/prometheus",
        ] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        let env = env();
        let ports: Vec<_> = env
            .iter()
            .filter(|(name, _)| name.ends_with("_PORT"))
            .collect();
        let free = stack::ports::free(ports.len());
        let mut text: String = env
            .iter()
            .filter(|(name, _)| !name.ends_with("_PORT") && *name != "SHOP_LOG_DIR")
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        let mut variables = Vec::new();
        for ((name, _), port) in ports.iter().zip(free) {
            text.push_str(&format!("{name}={port}\n"));
            variables.push(((*name).to_owned(), port.to_string()));
        }
        text.push_str(&format!("SHOP_LOG_DIR={}\n", path.join("shop").display()));
        let repository = path.join("repository");
        fs::write(repository.join(".env"), text).unwrap();
        fs::write(
            repository.join("docker-compose.yml"),
            "name: otel-shop\nservices: {}\n",
        )
        .unwrap();
        for file in [
            "collector/config.yaml",
            "collector/builder.yaml",
            "collector/go.mod",
            "collector/go.sum",
            "grafana/prometheus/targets.json",
        ] {
            fs::write(repository.join(file), read(file)).unwrap();
        }
        Self { dir, variables }
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn port(&self, name: &str) -> u16 {
        let (_, port) = self
            .variables
            .iter()
            .find(|(known, _)| known == name)
            .unwrap();
        port.parse().unwrap()
    }

    pub(crate) fn stack(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_stack"))
            .args(arguments)
            .current_dir(self.path("repository"))
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("STUB", self.dir.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Outcome {
            is_success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            calls: fs::read_to_string(self.path("calls")).unwrap_or_default(),
        }
    }

    fn up(&self, variables: &[(&str, &str)]) -> Outcome {
        self.stack(&["up"], variables)
    }
}

impl Outcome {
    #[track_caller]
    fn fails_with(&self, parts: &[&str]) {
        assert!(!self.is_success, "{}", self.stderr);
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "`{part}` is not in: {}",
                self.stderr
            );
        }
    }
}

#[test]
fn docker_that_is_wanted_and_cannot_be_used_is_an_error_with_what_is_missing_and_the_remedy() {
    let wanted = [("STACK", "docker")];
    Bench::without_client().up(&wanted).fails_with(&[
        "no `docker` on PATH",
        "install Docker",
        "STACK=native",
    ]);
    Bench::new("\"info \"*) echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;;")
        .up(&wanted)
        .fails_with(&[
            "no Docker engine answers (Cannot connect to the Docker daemon)",
            "systemctl start docker",
        ]);
    Bench::new(
        "\"info \"*) echo '{\"ServerVersion\":\"28.2.2\"}' ;;\n\
         compose*) echo \"docker: 'compose' is not a docker command.\" >&2; exit 1 ;;",
    )
    .up(&wanted)
    .fails_with(&["Docker has no compose", "docker-compose-plugin"]);
    Bench::new(&USABLE.replace("8000000000", "1073741824"))
        .up(&wanted)
        .fails_with(&["the engine has 1024 MiB of memory, and the stack needs 1536"]);
}

#[test]
fn without_a_usable_docker_it_runs_natively_and_says_why() {
    // Natively it then misses Go, which is not on this PATH.
    Bench::without_client()
        .up(&[])
        .fails_with(&["runs natively: there is no `docker` on PATH", "needs Go"]);
    Bench::new(&USABLE.replace("8000000000", "1073741824"))
        .up(&[])
        .fails_with(&["runs natively: the engine has 1024 MiB", "needs Go"]);
    Bench::new(USABLE)
        .up(&[("STACK", "native")])
        .fails_with(&["runs natively: STACK=native", "needs Go"]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_with_the_reason_and_the_way_to_a_stand_in() {
    let outcome = Bench::new(USABLE).up(&[]);
    outcome.fails_with(&[
        "runs on docker: engine 28.2 with compose 2.40",
        "is not here and cannot be pulled (lookup registry-1.docker.io: no such host)",
        "just images",
    ]);
    assert!(!outcome.calls.contains(" up "), "{}", outcome.calls);
}

#[test]
fn a_taken_port_is_found_before_anything_is_pulled_or_started() {
    let bench = Bench::new(USABLE);
    let _other = TcpListener::bind(("127.0.0.1", bench.port("LOKI_PORT"))).unwrap();
    let outcome = bench.up(&[]);
    let holder = format!("pid {}", std::process::id());
    outcome.fails_with(&["loki cannot start", &holder, "LOKI_PORT"]);
    assert!(!outcome.calls.contains("pull"), "{}", outcome.calls);
}

#[test]
fn a_link_in_the_log_directorys_place_and_windows_line_endings_are_refused_on_docker_too() {
    let bench = Bench::new(USABLE);
    symlink("/etc", bench.path("shop")).unwrap();
    bench.up(&[]).fails_with(&["it is a link", "SHOP_LOG_DIR"]);
    let bench = Bench::new(USABLE);
    fs::write(
        bench.path("repository/docker-compose.yml"),
        "services: {}\r\n",
    )
    .unwrap();
    bench.up(&[]).fails_with(&[
        "docker-compose.yml has Windows line endings",
        "core.autocrlf",
    ]);
}

/// All images but those of Tempo and Grafana; containers are there once compose was told to start them.
pub(crate) fn startable(state: &str) -> String {
    let container = |name: &str| {
        format!(
            r#"{{"Id":"{name}","State":{state},"Config":{{"Labels":{{"com.docker.compose.service":"{name}","com.docker.compose.project.config_files":"collector/archive.compose.yaml"}}}}}}"#
        )
    };
    let all: Vec<_> = ["otel-collector", "prometheus", "loki", "promtail"]
        .map(container)
        .into();
    let images = r#""image inspect"*tempo*|"image inspect"*grafana/grafana*) exit 1 ;;
  "image inspect"*) echo '{"Size":1,"Config":{"Labels":null}}' ;;
  "ps "*) if [ -e "$STUB/started" ]; then echo some; fi ;;
  *" up "*) : > "$STUB/started" ;;
  "logs "*) echo 'cannot open the store' ;;
  "volume ls"*) echo otel-shop_tempo; echo otel-shop_loki ;;"#;
    format!(
        "{images}\n\"container inspect\"*) echo '[{}]' ;;\n{USABLE}",
        all.join(",")
    )
}

/// In the place of cargo and the compiler: says at once where the programs are, not where one would guess.
fn compiler(bench: &Bench) -> Vec<(&'static str, String)> {
    let target = bench.path("some/where");
    fs::create_dir_all(&target).unwrap();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut answer = String::new();
    for name in ["probe", "product", "inventory", "order", "gateway"] {
        fs::write(target.join(name), "").unwrap();
        let place = text(&target.join(name));
        answer.push_str(&format!(
            "echo '{{\"target\":{{\"name\":\"{name}\"}},\"executable\":\"{place}\"}}'\n"
        ));
    }
    let cargo = format!("echo \"cargo $*\" >> \"$STUB/calls\"\n{answer}");
    vec![
        ("CARGO", text(&bench.script("cargo", &cargo))),
        (
            "RUSTC",
            text(&bench.script("rustc", "echo 'host: some-host'")),
        ),
    ]
}

pub(crate) fn with_compiler(
    bench: &Bench,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Outcome {
    let compiler = compiler(bench);
    let compiler = compiler.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<_> = compiler.chain(variables.iter().copied()).collect();
    bench.stack(arguments, &variables)
}

fn up_with_compiler(bench: &Bench) -> Outcome {
    with_compiler(bench, &["up"], &[])
}

#[test]
fn promtail_is_given_the_directory_in_which_this_engine_keeps_its_containers() {
    let running = startable(r#"{"Status":"running","Health":{"Status":"healthy"}}"#);
    let bench = Bench::new(&format!(
        r#""info --format {{{{.DockerRootDir}}}}") echo /elsewhere/docker ;;
  *" up "*) : > "$STUB/started"; echo "containers $DOCKER_CONTAINERS" >> "$STUB/calls" ;;
{running}"#
    ));
    let outcome = up_with_compiler(&bench);
    assert!(outcome.is_success, "{}", outcome.stderr);
    let told = "containers /elsewhere/docker/containers";
    assert!(outcome.calls.contains(told), "{}", outcome.calls);
}

#[test]
fn what_has_no_image_is_left_out_the_collector_keeps_the_traces_and_nothing_else_is_started() {
    let bench = Bench::new(&startable(
        r#"{"Status":"running","Health":{"Status":"healthy"}}"#,
    ));
    let outcome = up_with_compiler(&bench);
    assert!(outcome.is_success, "{}", outcome.stderr);
    let calls: Vec<_> = outcome.calls.lines().collect();
    let up = calls.iter().find(|call| call.contains(" up ")).unwrap();
    assert!(
        up.ends_with("--no-deps --no-build --pull never otel-collector prometheus loki promtail"),
        "{up}"
    );
    assert!(up.contains("--file collector/archive.compose.yaml"), "{up}");
    assert!(
        calls.iter().any(|call| call.ends_with(" build promtail")),
        "{calls:?}"
    );
    let targets = bench.path("repository/.stack/prometheus/targets.docker.json");
    let targets = fs::read_to_string(targets).unwrap();
    assert!(
        targets.contains("loki") && !targets.contains("tempo"),
        "{targets}"
    );
    assert!(
        bench
            .path("repository/.stack/images/prebuilt/empty")
            .is_dir()
    );
    assert!(
        outcome.stderr.contains("the Collector keeps the traces"),
        "{}",
        outcome.stderr
    );

    // Whatever STACK says now: what runs is found, starting the other way is refused.
    let native = [("STACK", "native")];
    bench
        .up(&native)
        .fails_with(&["runs as docker already", "just down"]);
    let down = bench.stack(&["down", "--volumes"], &native);
    assert!(down.is_success, "{}", down.stderr);
    for part in [
        "forgotten: traces (volume otel-shop_tempo)",
        "forgotten: logs (volume otel-shop_loki)",
    ] {
        assert!(down.stderr.contains(part), "{part}: {}", down.stderr);
    }
    assert!(
        down.calls.contains("stop loki") || down.calls.contains(" loki"),
        "{}",
        down.calls
    );
    assert!(
        down.calls.contains("down --remove-orphans"),
        "{}",
        down.calls
    );
}

#[test]
fn a_container_that_ends_at_its_start_is_reported_with_its_last_words_and_not_started_for_ever() {
    let bench = Bench::new(&startable(r#"{"Status":"restarting","ExitCode":3}"#));
    let outcome = up_with_compiler(&bench);
    outcome.fails_with(&[
        "otel-collector ended right after its start (exit code 3)",
        "cannot open the store",
    ]);
    assert!(
        outcome
            .calls
            .lines()
            .any(|call| call == "stop otel-collector"),
        "{}",
        outcome.calls
    );
}

#[test]
fn a_container_whose_health_check_fails_is_reported_with_what_the_check_saw() {
    let state = r#"{"Status":"running","Health":{"Status":"unhealthy","Log":[{"Output":"/ready answers 503"}]}}"#;
    let bench = Bench::new(&startable(state));
    up_with_compiler(&bench).fails_with(&["otel-collector is not ready", "/ready answers 503"]);
}

/// Services as containers too. Compose makes them anew once there is `rebuilt`: their ids have another end then.
fn with_services() -> String {
    let service = |name: &str| {
        format!(
            r#"{{"Id":"{name}'"$end"'","State":{{"Status":"running","Health":{{"Status":"healthy"}}}},"Config":{{"Labels":{{"com.docker.compose.service":"{name}"}}}}}}"#
        )
    };
    let services = ["product", "inventory", "order", "gateway"].map(service);
    let startable = startable(r#"{"Status":"running","Health":{"Status":"healthy"}}"#);
    let (before, after) = startable.split_once("]' ;;\n").unwrap();
    let renew = r#"if [ -e "$STUB/rebuilt" ]; then : > "$STUB/anew"; fi"#;
    let started = r#": > "$STUB/started""#;
    let built = |name: &str| format!(r#""{name}":{{"build":{{}}}}"#);
    let all = ["promtail", "product", "inventory", "order", "gateway"].map(built);
    format!("{before},{}]' ;;\n{after}", services.join(","))
        .replace(started, &format!("{started}; {renew}"))
        .replace(&built("promtail"), &all.join(","))
}

#[test]
fn services_as_containers_are_built_at_each_run_and_those_that_compose_made_anew_are_told() {
    let bench = Bench::new(&with_services());
    let client = fs::read_to_string(bench.path("bin/docker")).unwrap();
    let reads = client.replace(
        "case",
        "end=1; if [ -e \"$STUB/anew\" ]; then end=2; fi\ncase",
    );
    fs::write(bench.path("bin/docker"), reads).unwrap();
    let run = || {
        drop(fs::remove_file(bench.path("calls")));
        let outcome = with_compiler(&bench, &["run"], &[("COMPOSE_PROFILES", "services")]);
        assert!(outcome.is_success, "{}", outcome.stderr);
        outcome
    };
    let first = run();
    assert!(first.stderr.contains("starting order"), "{}", first.stderr);

    let second = run();
    assert!(
        second.stderr.contains("everything runs already"),
        "{}",
        second.stderr
    );
    assert!(!second.stderr.contains("starting"), "{}", second.stderr);
    let find = |part: &str| second.calls.lines().position(|call| call.contains(part));
    let steps = [
        "cargo build",
        " build product inventory order gateway",
        " up ",
    ]
    .map(find);
    assert!(
        steps.is_sorted() && steps[0].is_some(),
        "{steps:?} {}",
        second.calls
    );
    let up = second
        .calls
        .lines()
        .find(|call| call.contains(" up "))
        .unwrap();
    assert!(
        up.ends_with("--pull never product inventory order gateway"),
        "{up}"
    );

    fs::write(bench.path("rebuilt"), "").unwrap();
    let third = run();
    for part in ["restarting order: it was built anew", "ready    order"] {
        assert!(third.stderr.contains(part), "{part}: {}", third.stderr);
    }
    assert!(
        !third.stderr.contains("restarting loki"),
        "{}",
        third.stderr
    );
}

#[test]
fn a_mounted_file_that_has_changed_since_a_container_was_started_is_named() {
    let bench = Bench::new(&startable(
        r#"{"Status":"running","Health":{"Status":"healthy"}}"#,
    ));
    let config = bench.path("repository/collector/config.yaml");
    assert!(up_with_compiler(&bench).is_success);
    let same = up_with_compiler(&bench);
    assert!(!same.stderr.contains("config.yaml"), "{}", same.stderr);
    fs::write(&config, "receivers: {}\n").unwrap();
    let told = up_with_compiler(&bench).stderr;
    let expected = "otel-collector: collector/config.yaml has changed since its start; `just down`";
    assert!(told.contains(expected), "{told}");
}
