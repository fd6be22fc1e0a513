//! Programs that are built here: the Collector and Prometheus from Go modules, the services by cargo.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::{env, fs};

use serde::Deserialize;

use crate::error::{Error, IoContext as _, Result, failed};
use crate::instance::{Instance, Profile};
use crate::job::Job;
use crate::launch::hash;
use crate::process::on_path;
use crate::state::Lock;

/// Programs by their name.
pub(crate) type Programs = BTreeMap<String, PathBuf>;

/// One Go module with the programs that it gives.
#[derive(Debug)]
pub struct Tool {
    pub name: &'static str,
    /// Where its `go.mod` is, in the repository.
    pub directory: &'static str,
    /// The files that decide what is built.
    inputs: &'static [&'static str],
    /// The variable of `.env` with its version, as an image's tag.
    pub version: &'static str,
    programs: &'static [&'static str],
    /// Arguments of `go`; the target directory follows.
    arguments: &'static [&'static str],
}

/// In the order in which they are built: the services can start when the Collector is there.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "otelcol",
        directory: "collector",
        inputs: &["builder.yaml", "go.mod", "go.sum"],
        version: "OTELCOL_IMAGE",
        programs: &["otelcol"],
        // Its target is `dist.output_path`: the builder reads the keys of its manifest from the environment too.
        arguments: &["tool", "builder", "--config", "builder.yaml"],
    },
    Tool {
        name: "prometheus",
        directory: "grafana/prometheus",
        inputs: &["go.mod", "go.sum"],
        version: "PROMETHEUS_IMAGE",
        programs: &["prometheus", "promtool"],
        // Service discovery in clouds is most of its dependencies; we use files.
        arguments: &[
            "build",
            "-v",
            "-trimpath",
            "-buildvcs=false",
            "-tags=netgo,remove_all_sd",
            "-ldflags=-s -w -X github.com/prometheus/common/version.Version=VERSION",
            "-o=TARGET",
            "github.com/prometheus/prometheus/cmd/prometheus",
            "github.com/prometheus/prometheus/cmd/promtool",
        ],
    },
];

/// The developer's Go settings that a build uses: where modules come from and where they are kept. All others, such as
/// another target platform, a workspace or flags, would change what is built.
const GO_SETTINGS: &[&str] = &[
    "GOPROXY",
    "GONOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
    "GOINSECURE",
    "GOVCS",
    "GOAUTH",
    "GOPATH",
    "GOMODCACHE",
    "GOCACHE",
];

/// One line of cargo's answer.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

impl Tool {
    pub(crate) fn programs_in(&self, dir: &Path) -> Programs {
        let programs = self.programs.iter();
        programs
            .map(|name| ((*name).to_owned(), dir.join(name)))
            .collect()
    }

    fn command(&self, root: &Path, target: &Path, version: &str) -> Result<Command> {
        let mut go = clean_go(&root.join(self.directory), env::vars_os())?;
        // The separator makes it a directory, which takes one program as well as two.
        let place = target.join("").to_string_lossy().into_owned();
        let fill = |text: &&str| text.replace("VERSION", version).replace("TARGET", &place);
        go.args(self.arguments.iter().map(fill))
            .env("dist.output_path", target);
        Ok(go)
    }
}

impl Instance {
    /// The programs built from Go modules that are not in the cache: building them takes minutes.
    pub fn missing_tools(&self) -> Result<Vec<&'static str>> {
        let mut missing = Vec::new();
        for tool in TOOLS {
            if !self.place_of(tool)?.is_dir() {
                missing.push(tool.name);
            }
        }
        Ok(missing)
    }

    /// Builds every tool that is not in the cache.
    pub fn build(&self) -> Result<()> {
        let build = |tool| self.provide(tool, &AtomicBool::new(false)).map(drop);
        TOOLS.iter().try_for_each(build)
    }

    /// The path of a built program such as `otelcol` or `promtool`, built if needed.
    pub fn tool(&self, program: &str) -> Result<PathBuf> {
        let tool = TOOLS.iter().find(|tool| tool.programs.contains(&program));
        let tool = tool.ok_or_else(|| failed!("no program `{program}` is built here"))?;
        Ok(self.provide(tool, &AtomicBool::new(false))?.join(program))
    }

    /// Where a tool's programs are, or will be. The name is made of the inputs only: a newer Go compiler does not
    /// rebuild what works, and with a full cache no Go is needed.
    fn place_of(&self, tool: &Tool) -> Result<PathBuf> {
        let version = self.environment.version(tool.version).unwrap_or_default();
        let mut parts = vec![
            version.as_bytes().to_vec(),
            tool.arguments.join("\n").into_bytes(),
        ];
        for input in tool.inputs {
            let path = self.root.join(tool.directory).join(input);
            parts.push(fs::read(&path).context("read", &path)?);
        }
        Ok(self.cache().join(format!("{}-{}", tool.name, hash(parts))))
    }

    fn cache(&self) -> PathBuf {
        self.root.join(".stack/bin")
    }

    /// The directory with a tool's programs, built unless the cache has them.
    pub(crate) fn provide(&self, tool: &Tool, cancelled: &AtomicBool) -> Result<PathBuf> {
        let (cache, place) = (self.cache(), self.place_of(tool)?);
        if place.is_dir() {
            return Ok(place);
        }
        fs::create_dir_all(&cache).context("create", &cache)?;
        // Two instances may want the same tool; the second finds it done.
        let _lock = Lock::wait(&cache.join(format!("{}.lock", tool.name)))?;
        if place.is_dir() {
            return Ok(place);
        }
        if on_path("go").is_none() {
            return Err(Error::GoMissing {
                tool: tool.name.to_owned(),
            });
        }
        let partial = place.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).context("remove", &partial)?;
        }
        fs::create_dir_all(&partial).context("create", &partial)?;
        let version = self.environment.version(tool.version).unwrap_or_default();
        let job = Job {
            what: tool.name.to_owned(),
            command: tool.command(&self.root, &partial, version)?,
            log: cache.join(format!("{}.build.log", tool.name)),
        };
        job.run(false, &*self.report, cancelled)?;
        fs::rename(&partial, &place).context("rename", &partial)?;
        Ok(place)
    }

    /// All services, also if one is wanted: the next one is then built too. They are named as programs of the workspace:
    /// with `--package`, cargo chooses other features of the libraries and compiles half of them again.
    pub(crate) fn build_services(&self, cancelled: &AtomicBool) -> Result<Programs> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        command.args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
        ]);
        for service in self.topology.services() {
            command.args(["--bin", &service.name]);
        }
        if self.profile == Profile::Release {
            command.arg("--release");
        }
        let log = self.home.join("logs/cargo-services.txt");
        let job = Job {
            what: "services".to_owned(),
            command,
            log,
        };
        let programs = programs_in(&job.run(true, &*self.report, cancelled)?);
        let mut services = self.topology.services();
        match services.find(|service| !programs.contains_key(&service.name)) {
            None => Ok(programs),
            Some(service) => Err(failed!("cargo built no program `{}`", service.name)),
        }
    }
}

/// Cargo reports where it put the programs: a target directory can be set in many places.
fn programs_in(answer: &str) -> Programs {
    let messages = answer
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let programs = messages.filter_map(|message| Some((message.target?.name, message.executable?)));
    programs.collect()
}

/// `go`, which builds for this machine from this module alone, whatever the developer's settings are.
fn clean_go(
    directory: &Path,
    shell: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Command> {
    let is_go = |name: &OsString| name.as_encoded_bytes().starts_with(b"GO");
    let names: Vec<_> = shell.map(|(name, _)| name).filter(is_go).collect();
    // `go env` also knows what was set by `go env -w`.
    let mut asked = Command::new("go");
    asked
        .args(["env", "-json"])
        .args(GO_SETTINGS)
        .current_dir(directory)
        .env("GOWORK", "off");
    asked.env_remove("GOFLAGS");
    let output = asked.output().context("start", Path::new("go"))?;
    let settings: BTreeMap<String, String> =
        serde_json::from_slice(&output.stdout).map_err(|_| {
            failed!(
                "go env failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })?;
    let mut go = Command::new("go");
    go.current_dir(directory);
    names.iter().for_each(|name| {
        go.env_remove(name);
    });
    go.envs(settings.iter().filter(|(_, value)| !value.is_empty()));
    // An empty GOFLAGS would count as unset, and so would be taken from the file of `go env -w`, but for GOENV.
    go.env("GOENV", "off")
        .env("GOWORK", "off")
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", "0");
    Ok(go)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_change_what_is_built_are_not_passed_to_go_and_network_settings_are() {
        if on_path("go").is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let shell = [
            "GOOS",
            "GOARCH",
            "GOFLAGS",
            "GOTOOLCHAIN",
            "GOWORK",
            "GOAMD64",
            "GOEXPERIMENT",
            "PATH",
        ];
        let shell = shell.map(|name| (name.into(), "plan9".into()));
        let mut go = clean_go(dir.path(), shell.into_iter()).unwrap();
        go.env("GOPROXY", "off")
            .args(["env", "GOOS", "GOFLAGS", "GOWORK", "GOPROXY"]);
        let removed: Vec<_> = go
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_owned())
            .collect();
        for name in ["GOOS", "GOARCH", "GOTOOLCHAIN", "GOAMD64", "GOEXPERIMENT"] {
            assert!(removed.contains(&name.into()), "{name}");
        }
        assert!(!removed.contains(&"PATH".into()));
        let set = |name: &str| {
            go.get_envs()
                .any(|(known, value)| known == name && value.is_some())
        };
        assert!(set("GOPROXY") && set("GOCACHE") && set("GOWORK"));
        let output = String::from_utf8(go.output().unwrap().stdout).unwrap();
        assert_eq!(output, format!("{}\n\noff\noff\n", env::consts::OS));
    }

    #[test]
    fn programs_are_where_cargo_says() {
        let answer = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"order"},"executable":"/else/where/debug/order"}
warning: not JSON
{"reason":"build-finished","success":true}
"#;
        let expected = Programs::from([("order".to_owned(), "/else/where/debug/order".into())]);
        assert_eq!(programs_in(answer), expected);
    }
}
