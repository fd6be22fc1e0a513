//! A small repository with a topology of its own: a Collector, a Loki, a Promtail and one service, all of them one small
//! program, so that no test needs Go, an engine or a backend.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use stack::process::Identity;
use tempfile::TempDir;

use crate::repository::{env, read};

/// Prints its environment and listens on a port until it is told to end.
const PROGRAM: &str = r#"fn main() {
    let argument = std::env::args().nth(1).unwrap_or_default();
    if argument == "--version" { println!("thing, version 9.9.9 (branch: x)"); return; }
    for (name, _) in std::env::vars_os() { println!("has {}", name.to_string_lossy()); }
    let at = std::env::var("SHOP_LISTEN_ADDR").unwrap_or(format!("127.0.0.1:{argument}"));
    std::net::TcpListener::bind(at).unwrap().incoming().for_each(drop);
}"#;

const COMMON: &str = "start_within = 30\nstop_within = 5\n";

/// A directory `repository` in `dir`; `bin`, which is all of `PATH`; calls of stubs in `calls`.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) root: PathBuf,
}

pub(crate) struct Outcome {
    pub(crate) is_success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::named("repository")
    }

    pub(crate) fn named(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(name);
        for folder in ["collector", "grafana/prometheus/rules", "services"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::create_dir(dir.path().join("bin")).unwrap();
        let env = env();
        let names: Vec<_> = env
            .iter()
            .filter(|(name, _)| name.ends_with("_PORT"))
            .collect();
        let ports = stack::ports::free(names.len());
        let others = env
            .iter()
            .filter(|(name, _)| !name.ends_with("_PORT") && *name != "SHOP_LOG_DIR");
        let mut text: String = others
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        for ((name, _), port) in names.iter().zip(ports) {
            text.push_str(&format!("{name}={port}\n"));
        }
        text.push_str(&format!(
            "SHOP_LOG_DIR={}\n",
            dir.path().join("shop").display()
        ));
        fs::write(root.join(".env"), text).unwrap();
        for file in [
            "collector/config.yaml",
            "grafana/prometheus/prometheus.yaml",
            "grafana/prometheus/targets.json",
        ] {
            fs::write(root.join(file), read(file)).unwrap();
        }
        for file in ["docker-compose.yml", "services/host-logs.compose.yaml"] {
            fs::write(root.join(file), "name: otel-shop\n").unwrap();
        }
        fs::write(
            root.join("loki.yaml"),
            "path: ${STACK_DATA}\nport: ${LOKI_PORT}\n",
        )
        .unwrap();
        let component = |name: &str, variable: &str, port: &str, step: u8, more: &str| {
            format!(
                "[[component]]\nname = \"{name}\"\nprogram = {{ path = \"{name}\", variable = \"{variable}\" }}\n\
                 arguments = [\"${{{port}}}\"]\nports = [\"{port}\"]\nurl = \"http://127.0.0.1:${{{port}}}\"\n\
                 ready = \"tcp://127.0.0.1:${{{port}}}\"\nstop_step = {step}\n{COMMON}{more}\n"
            )
        };
        let topology = [
            component("otel-collector", "COLLECTOR_BIN", "OTLP_HTTP_PORT", 2, "environment = { OWN = \"1\" }"),
            "[[component.overlay]]\nwithout = \"loki\"\narguments = [\"archive\"]\nfiles = []\nports = [\"LOKI_GRPC_PORT\"]\n".to_owned(),
            component("loki", "LOKI_BIN", "LOKI_PORT", 3, "version = \"LOKI_IMAGE\"\nfiles = [\"${STACK_ROOT}/loki.yaml\"]\nabsent = \"lines go to ${STACK_DATA}\""),
            component("promtail", "PROMTAIL_BIN", "PROMTAIL_PORT", 2, "needs = \"loki\""),
            format!("[service-defaults]\n{COMMON}[service-defaults.environment]\nSHOP_FAULTS = \"on\"\n"),
            "[[service]]\nname = \"order\"\nport = \"ORDER_PORT\"\nprotocol = \"grpc\"\nstop_step = 1\n".to_owned(),
        ];
        fs::write(root.join("stack.toml"), topology.concat()).unwrap();
        let bench = Self { dir, root };
        for name in ["otel-collector", "loki", "promtail", "order"] {
            bench.install(name);
        }
        let order = bench.path("bin/order");
        let order = order.display();
        bench.script(
            "cargo",
            &format!(r#"echo '{{"target":{{"name":"order"}},"executable":"{order}"}}'"#),
        );
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As a build or an upgrade does: a new file in the old one's place.
    pub(crate) fn install(&self, name: &str) {
        let place = self.path("bin").join(name);
        let next = place.with_extension("next");
        fs::copy(program(), &next).unwrap();
        fs::rename(next, place).unwrap();
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        let place = self.path("bin").join(name);
        drop(fs::remove_file(&place));
        fs::write(&place, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Natively, by the command.
    pub(crate) fn stack(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(arguments);
        run(command.envs(variables.iter().copied()))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
        command.args(arguments).current_dir(&self.root).env_clear();
        command
            .env("PATH", self.path("bin"))
            .env("STUB", self.dir.path());
        command
    }

    /// A component's row of `status`.
    pub(crate) fn status(&self, name: &str) -> serde_json::Value {
        let status = self.stack(&["status", "--json"], &[]);
        assert!(status.is_success, "{}", status.stderr);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&status.stdout).unwrap();
        rows.into_iter().find(|row| row["name"] == name).unwrap()
    }

    pub(crate) fn pid(&self, name: &str) -> Option<i32> {
        self.status(name)["pid"]
            .as_i64()
            .map(|pid| pid.try_into().unwrap())
    }

    pub(crate) fn port(&self, name: &str) -> u16 {
        let env = stack::Environment::read(&self.root.join(".env")).unwrap();
        env.port(name).unwrap()
    }

    /// What a component has printed.
    pub(crate) fn output(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(format!(".stack/logs/{name}.log"))).unwrap_or_default()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.command(&["down"]).env("STACK", "native").output());
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn succeeds_with(&self, parts: &[&str]) {
        assert!(self.is_success, "{}", self.stderr);
        self.says(parts);
    }

    #[track_caller]
    pub(crate) fn fails_with(&self, parts: &[&str]) {
        assert!(!self.is_success, "{}", self.stderr);
        self.says(parts);
    }

    #[track_caller]
    fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "`{part}` is missing in: {}",
                self.stderr
            );
        }
    }
}

pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        is_success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    Identity::of(pid).is_some()
}

pub(crate) fn poll(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

pub(crate) fn read_pid(path: &Path) -> i32 {
    let read = || fs::read_to_string(path).ok()?.trim().parse().ok();
    poll("a pid in a file", || read().is_some());
    read().unwrap()
}

pub(crate) fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).unwrap()
}

/// Compiled once.
fn program() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = BUILT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (source, program) = (dir.path().join("main.rs"), dir.path().join("program"));
        fs::write(&source, PROGRAM).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let built = Command::new(rustc)
            .arg(&source)
            .arg("-o")
            .arg(&program)
            .status()
            .unwrap();
        assert!(built.success());
        (dir, program)
    });
    program
}
