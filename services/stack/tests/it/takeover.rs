//! A start takes over what has changed since the last one: a service that was built anew, a setting, a file. Cargo is a
//! script here, and the service a program of three lines.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use stack::{Event, Instance, Report};
use tempfile::TempDir;

use crate::repository::root;

/// Listens, as order has to, and ends when it is told to.
const SERVICE: &str = r#"fn main() {
    let at = std::env::var("SHOP_LISTEN_ADDR").unwrap();
    std::net::TcpListener::bind(at).unwrap().incoming().for_each(drop);
}"#;

/// Sentences that were told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Report for Notes {
    fn event(&self, event: &Event<'_>) {
        if let Event::Note(note) = event {
            self.0.lock().unwrap().push((*note).to_owned());
        }
    }
}

impl Notes {
    /// Those since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Bench {
    dir: TempDir,
    notes: Arc<Notes>,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
            notes: Arc::default(),
        };
        bench.build("debug");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As cargo does: a new file in the old one's place. From then on it names that one.
    fn build(&self, folder: &str) {
        let place = self.path(folder);
        fs::create_dir_all(&place).unwrap();
        copy(service(), &place.join("order.next"));
        fs::rename(place.join("order.next"), place.join("order")).unwrap();
        let place = place.display();
        let artifact = |name: &str| {
            format!(r#"echo '{{"target":{{"name":"{name}"}},"executable":"{place}/{name}"}}'"#)
        };
        let artifacts = ["product", "inventory", "order", "gateway"].map(artifact);
        let calls = self.path("calls");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {}\n{}\n",
            calls.display(),
            artifacts.join("\n")
        );
        fs::write(self.path("cargo"), script).unwrap();
        fs::set_permissions(self.path("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn stack(&self) -> Instance {
        Instance::isolated(&root(), &self.path("instance"))
            .unwrap()
            .with_variable("CARGO", &self.path("cargo").to_string_lossy())
            .with_variable("TEMPO_BIN", "none")
            .with_report(Arc::<Notes>::clone(&self.notes))
    }

    /// Brings order up with a variable; its pid, and what was told.
    fn start_with(&self, name: &str, value: &str) -> (u32, Vec<String>) {
        let stack = self.stack().with_variable(name, value);
        stack.start_component("order").unwrap();
        (stack.pid("order").unwrap(), self.notes.take())
    }

    fn start(&self) -> (u32, Vec<String>) {
        self.start_with("SHOP_LOG_LEVEL", "info")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.stack().kill_component("order"));
    }
}

/// By another process: a file that this one has open for writing cannot be executed.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

fn service() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (source, program) = (place.join("service.rs"), place.join("service"));
        fs::write(&source, SERVICE).unwrap();
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut rustc = Command::new(compiler);
        let status = rustc.arg("-o").arg(&program).arg(&source).status();
        assert!(status.unwrap().success());
        program
    })
}

#[test]
fn a_service_is_built_at_each_start_and_restarted_only_if_that_made_another_file() {
    let bench = Bench::new();
    let (first, _) = bench.start();
    let (same, told) = bench.start();
    assert_eq!(same, first);
    assert_eq!(told, ["everything runs already"]);
    let calls = fs::read_to_string(bench.path("calls")).unwrap();
    assert_eq!(calls.lines().count(), 2, "{calls}");
    assert!(calls.lines().all(|call| call.contains("--bin order")));

    bench.build("debug");
    let status = bench.stack().status().unwrap();
    let order = status.into_iter().find(|row| row.name == "order").unwrap();
    assert_eq!(
        order.note,
        "it was built anew since its start: `just run` takes it over"
    );
    let (anew, told) = bench.start();
    assert_ne!(anew, first);
    assert_eq!(told, ["restarting order: it was built anew"]);

    bench.build("release");
    let (other, told) = bench.start();
    assert_ne!(other, anew, "the other profile is another file");
    assert_eq!(told, ["restarting order: it was built anew"]);
    assert_eq!(bench.start().0, other);
}

#[test]
fn a_setting_that_has_changed_restarts_the_service_that_reads_it_and_is_named() {
    let bench = Bench::new();
    let (first, _) = bench.start();
    let unread = bench.stack().with_variable("SHOP_LOG_LEVEL", "info");
    let unread = unread.with_variable("LOKI_GRPC_PORT", "1");
    unread.start_component("order").unwrap();
    assert_eq!(unread.pid("order"), Some(first), "it is not for services");
    bench.notes.take();
    let (after, told) = bench.start_with("SHOP_LOG_LEVEL", "debug");
    assert_ne!(after, first);
    assert_eq!(told, ["restarting order: SHOP_LOG_LEVEL has changed"]);
}

#[test]
fn a_program_that_cargo_does_not_name_is_an_error_and_not_an_old_file() {
    let bench = Bench::new();
    fs::write(bench.path("cargo"), "#!/bin/sh\necho 'warning: odd' >&2\n").unwrap();
    let error = bench.stack().start_component("order").unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("cargo names no program") && told.contains("warning: odd"),
        "{told}"
    );
}
