//! The programs that are built from Go modules, and their cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::{env, fs};

use crate::environment::Environment;
use crate::error::{Error, IoContext as _, Result};
use crate::fingerprint::Fingerprint;
use crate::job::{Job, Work};
use crate::report::Report;
use crate::state::Lock;

/// One Go module with the programs it gives.
#[derive(Debug)]
pub struct Tool {
    pub name: &'static str,
    /// Where its `go.mod` is, in the repository.
    pub directory: &'static str,
    /// The files that decide what comes out.
    inputs: &'static [&'static str],
    /// The variable of `.env` that holds its version, alone or as an image's tag.
    pub version: &'static str,
    recipe: Recipe,
}

#[derive(Debug)]
enum Recipe {
    /// The Collector's builder writes a main package from its manifest and compiles it.
    Builder,
    /// `go build`: without a symbol set, a program would not know its version.
    Packages {
        packages: &'static [&'static str],
        tags: &'static str,
        version_symbol: &'static str,
    },
}

/// In the order in which they are built: the Collector first, because the shop can start when it is there; then the
/// quicker before the slower.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "otelcol",
        directory: "collector",
        inputs: &["builder.yaml", "go.mod", "go.sum"],
        version: "OTELCOL_IMAGE",
        recipe: Recipe::Builder,
    },
    Tool {
        name: "prometheus",
        directory: "grafana/prometheus",
        inputs: &["go.mod", "go.sum"],
        version: "PROMETHEUS_IMAGE",
        recipe: Recipe::Packages {
            packages: &[
                "github.com/prometheus/prometheus/cmd/prometheus",
                "github.com/prometheus/prometheus/cmd/promtool",
            ],
            // Cloud discovery is most of its dependencies; we use files.
            tags: "netgo,remove_all_sd",
            version_symbol: "github.com/prometheus/common/version.Version",
        },
    },
    Tool {
        name: "loki",
        directory: "grafana/loki",
        inputs: &["go.mod", "go.sum"],
        version: "LOKI_IMAGE",
        recipe: Recipe::Packages {
            packages: &["github.com/grafana/loki/v3/cmd/loki"],
            tags: "netgo",
            version_symbol: "github.com/grafana/loki/v3/pkg/util/build.Version",
        },
    },
    Tool {
        name: "promtail",
        directory: "grafana/promtail",
        inputs: &["go.mod", "go.sum"],
        version: "PROMTAIL_SOURCE_VERSION",
        recipe: Recipe::Packages {
            packages: &["github.com/grafana/loki/v3/clients/cmd/promtail"],
            tags: "netgo",
            version_symbol: "github.com/grafana/loki/v3/pkg/util/build.Version",
        },
    },
];

/// Where and with what tools are built.
pub(crate) struct Workshop<'a> {
    pub(crate) root: &'a Path,
    pub(crate) environment: &'a Environment,
    pub(crate) report: &'a dyn Report,
    /// Set when nobody wants the result any more.
    pub(crate) cancelled: &'a AtomicBool,
}

// === impl Tool ===

impl Tool {
    /// The names of its programs.
    pub fn programs(&self) -> impl Iterator<Item = &'static str> + use<> {
        let packages: &'static [&'static str] = match self.recipe {
            Recipe::Builder => &["otelcol"],
            Recipe::Packages { packages, .. } => packages,
        };
        packages
            .iter()
            .filter_map(|package| package.rsplit('/').next())
    }

    /// `3.7.6` from `grafana/loki:3.7.6`, `3.14.0` from `prom/prometheus:v3.14.0`.
    fn version_in(&self, environment: &Environment) -> Result<String> {
        let value = environment
            .get(self.version)
            .ok_or_else(|| Error::MissingVariable {
                name: self.version.to_owned(),
            })?;
        Ok(value
            .rsplit(':')
            .next()
            .unwrap_or(value)
            .trim_start_matches('v')
            .to_owned())
    }
}

// === impl Workshop ===

impl Workshop<'_> {
    fn cache(&self) -> PathBuf {
        self.root.join(".stack/bin")
    }

    /// Where the tool's programs are, or will be.
    ///
    /// The cache key is made of the inputs only. A newer Go compiler does not rebuild what works, and with a full cache
    /// no Go is needed at all.
    pub(crate) fn place(&self, tool: &Tool) -> Result<PathBuf> {
        let version = tool.version_in(self.environment)?;
        let source = self.root.join(tool.directory);
        let recipe = Fingerprint::new()
            .text(&format!("{:?}", tool.recipe))
            .text(&version);
        let key = tool
            .inputs
            .iter()
            .try_fold(recipe, |key, input| key.file(&source, input))?
            .hex();
        Ok(self.cache().join(format!("{}-{key}", tool.name)))
    }

    /// The directory with the tool's programs, built unless the cache has them.
    pub(crate) fn provide(&self, tool: &'static Tool) -> Result<PathBuf> {
        let (cache, place) = (self.cache(), self.place(tool)?);
        if place.is_dir() {
            return Ok(place);
        }
        let version = tool.version_in(self.environment)?;
        let source = self.root.join(tool.directory);
        fs::create_dir_all(&cache).context("create", &cache)?;
        // Two instances may want the same tool; the second finds it done.
        let _lock = Lock::wait(&cache.join(format!("{}.lock", tool.name)))?;
        if place.is_dir() {
            return Ok(place);
        }
        if !is_on_path("go") {
            return Err(Error::GoMissing { tool: tool.name });
        }
        let partial = place.with_extension("partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).context("remove", &partial)?;
        }
        fs::create_dir_all(&partial).context("create", &partial)?;
        let job = Job {
            work: Work::Build,
            what: tool.name,
            command: tool.recipe.command(&source, &partial, &version),
            log: self
                .root
                .join(format!(".stack/bin/{}.build.log", tool.name)),
        };
        job.run(self.report, self.cancelled)?;
        fs::rename(&partial, &place).context("rename", &partial)?;
        Ok(place)
    }
}

// === impl Recipe ===

impl Recipe {
    fn command(&self, source: &Path, target: &Path, version: &str) -> Command {
        let mut go = Command::new("go");
        go.current_dir(source).env("CGO_ENABLED", "0");
        match self {
            Self::Builder => {
                go.args(["tool", "builder", "--config", "builder.yaml"]);
                // The builder reads its manifest's keys from the environment too.
                go.env("dist.output_path", target);
            }
            Self::Packages {
                packages,
                tags,
                version_symbol,
            } => {
                go.args(["build", "-v", "-trimpath", "-buildvcs=false", "-tags", tags]);
                go.arg(format!("-ldflags=-s -w -X {version_symbol}={version}"));
                // The separator makes it a directory, which takes one binary as well as two.
                go.arg("-o").arg(target.join("")).args(*packages);
            }
        }
        go
    }
}

/// Whether the shell would find a program.
pub(crate) fn is_on_path(program: &str) -> bool {
    on_path(program).is_some()
}

/// Where the shell would find it.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_without_the_image_name_and_the_v() {
        let mut environment = Environment::default();
        for (tool, value, expected) in [
            ("loki", "grafana/loki:3.7.6", "3.7.6"),
            (
                "prometheus",
                "localhost:5000/prom/prometheus:v3.14.0",
                "3.14.0",
            ),
            ("promtail", "3.6.15", "3.6.15"),
        ] {
            let tool = TOOLS.iter().find(|t| t.name == tool).unwrap();
            environment.set(tool.version, value);
            assert_eq!(tool.version_in(&environment).unwrap(), expected);
        }
    }

    #[test]
    fn a_build_sets_the_version_and_leaves_c_out() {
        let loki = TOOLS.iter().find(|tool| tool.name == "loki").unwrap();
        let command = loki
            .recipe
            .command(Path::new("/source"), Path::new("/target"), "3.7.6");
        let arguments: Vec<_> = command
            .get_args()
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        assert!(
            arguments
                .iter()
                .any(|a| a.ends_with("pkg/util/build.Version=3.7.6")),
            "{arguments:?}"
        );
        assert!(arguments.contains(&"/target/".to_owned()), "{arguments:?}");
        assert!(
            command
                .get_envs()
                .any(|(name, value)| name == "CGO_ENABLED" && value.is_some_and(|v| v == "0"))
        );
    }
}
