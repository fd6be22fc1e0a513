//! Takes one control after the other away from a container that is made and never started.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use super::{controls, inspect};
use crate::report::{Line, Outcome, Report};

/// Beside the shop's own project, so that nothing of it is touched.
const PROJECT: &str = "otel-shop-sabotage";
/// What is taken away, from the same service each time.
const SERVICE: &str = "loki";

/// What each change of the compose file must be told as.
const CHANGES: &[(&str, &str)] = &[
    ("it runs as root", "user: '0:0'"),
    ("its root is writable", "read_only: false"),
    ("it is privileged", "privileged: true"),
    ("it keeps capabilities", "cap_drop: !reset []"),
    ("it keeps capabilities", "cap_add: [NET_RAW]"),
    ("it may gain privileges", "security_opt: !reset []"),
    ("its memory has no limit", "mem_limit: !reset null"),
    ("its processors have no limit", "cpus: !reset null"),
    ("its processes have no limit", "pids_limit: -1"),
    ("it shares a namespace of the host", "pid: host"),
    (
        "it sees the engine's socket",
        "volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']",
    ),
    ("it writes into the host", "volumes: ['/tmp:/host']"),
    (
        "it is published beyond loopback",
        "ports: !override ['0.0.0.0:3100:3100']",
    ),
    ("its log grows without end", "logging: !reset null"),
];

pub(super) fn run<W: Write>(root: &Path, report: &mut Report<W>) -> anyhow::Result<()> {
    for (expected, change) in CHANGES {
        let begun = Instant::now();
        let outcome = match without(root, change) {
            Err(error) => Outcome::Failed(format!("{error:#}")),
            Ok(seen) if seen == [*expected] => Outcome::Passed(format!("told as: {expected}")),
            Ok(seen) => Outcome::Failed(format!("told as {seen:?} instead of {expected:?}")),
        };
        report.add(Line {
            name: format!("{SERVICE} with `{change}` is told"),
            query: None,
            outcome,
            after: begun.elapsed(),
        })?;
    }
    compose(root, &["down", "--volumes", "--timeout", "0"], None)
}

/// The controls that are missing once `change` is in.
fn without(root: &Path, change: &str) -> anyhow::Result<Vec<&'static str>> {
    let overlay = root.join(".stack/sabotage.yaml");
    fs::write(&overlay, format!("services:\n  {SERVICE}:\n    {change}\n"))
        .with_context(|| format!("writing {}", overlay.display()))?;
    let create = ["create", "--no-build", "--force-recreate", SERVICE];
    compose(root, &create, Some(&overlay))?;
    let containers = inspect::of_project(PROJECT)?;
    match &*containers {
        [container] => Ok(controls::broken(container)),
        others => bail!("{} containers instead of one", others.len()),
    }
}

fn compose(root: &Path, arguments: &[&str], overlay: Option<&Path>) -> anyhow::Result<()> {
    let mut command = Command::new("docker");
    command.current_dir(root);
    command.args([
        "compose",
        "--project-name",
        PROJECT,
        "-f",
        "docker-compose.yml",
    ]);
    if let Some(overlay) = overlay {
        command.arg("-f").arg(overlay);
    }
    let output = command
        .args(arguments)
        .output()
        .context("starting docker")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("docker compose {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_is_taken_away_once() {
        for (name, _) in controls::CONTROLS {
            assert!(
                CHANGES.iter().any(|(expected, _)| expected == name),
                "nothing takes away what says {name:?}"
            );
        }
    }
}
