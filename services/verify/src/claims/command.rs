//! The commands of the pages.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use regex::Regex;
use tokio::process::Command;
use tokio::time::timeout;

use super::link::real_port;
use super::page::{Block, Page};
use super::{Unmet, Verdict, broken, needs};
use crate::check::Scene;

/// None of them takes a tenth of it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The native launcher builds there.
const NATIVE: &str = ".stack/bin/";
/// Responses to a request with a typo. 409 and 5xx are what some commands show.
const MISTYPED: [&str; 6] = ["400", "404", "405", "413", "415", "422"];

/// Runs a block from the root of the working copy, on the ports of the running system.
pub(super) async fn run(scene: &Scene, block: &Block) -> Verdict {
    needs::check(scene, block.needs.iter().map(String::as_str))?;
    if block.text.contains(NATIVE) && !scene.repository.join(NATIVE).is_dir() {
        return Err(Unmet::Missing(
            "no native programs: commands that use them".to_owned(),
        ));
    }
    let mut text = block.text.clone();
    for found in Regex::new(r"localhost:(\d+)")?.captures_iter(&block.text) {
        let (name, real) = real_port(&scene.artifacts, &found[1])?;
        needs::check(scene, needs::of_port(name))?;
        text = text.replace(&found[0], &format!("localhost:{real}"));
    }
    let running = Command::new("sh")
        .args(["-euc", &text])
        .current_dir(&scene.repository)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(ended) = timeout(TIMEOUT, running).await else {
        return broken(format!("runs for over {TIMEOUT:?}"));
    };
    let ended = ended.context("starting sh")?;
    if !ended.status.success() {
        let errors = String::from_utf8_lossy(&ended.stderr);
        let last = errors.lines().last().unwrap_or_default();
        return broken(format!("{}: {last}", ended.status));
    }
    responses(&String::from_utf8_lossy(&ended.stdout))
}

/// `curl -i` prints the status of each response.
fn responses(output: &str) -> Verdict {
    let status = Regex::new(r"HTTP/[0-9.]+ ([0-9]{3})")?;
    let found = status
        .captures_iter(output)
        .filter_map(|found| found.get(1));
    let statuses: Vec<&str> = found.map(|status| status.as_str()).collect();
    match statuses.iter().find(|status| MISTYPED.contains(status)) {
        Some(status) => broken(format!("is answered {status}")),
        None if statuses.is_empty() => Ok("exit 0".to_owned()),
        None => Ok(format!("is answered {}", statuses.join(", "))),
    }
}

/// Recipes build, start and stop: here they only have to exist.
pub(super) fn recipes(scene: &Scene, page: &Page) -> Verdict {
    let justfile = std::fs::read_to_string(scene.repository.join("justfile"));
    let justfile = justfile.context("justfile")?;
    let mut missing = page.recipes.iter().filter(|name| !defines(&justfile, name));
    match missing.next() {
        Some(recipe) => broken(format!("the justfile has no recipe {recipe}")),
        None => Ok(format!("{} recipes", page.recipes.len())),
    }
}

fn defines(justfile: &str, recipe: &str) -> bool {
    justfile.lines().any(|line| {
        let rest = line.strip_prefix(recipe);
        rest.is_some_and(|rest| rest.starts_with([' ', ':']) && rest.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_to_a_mistyped_request_fails_and_a_shown_fault_does_not() {
        for (output, expected) in [
            (
                "HTTP/1.1 201 Created\r\n\r\n{}HTTP/1.1 504 Gateway Timeout\r\n",
                Ok("is answered 201, 504".to_owned()),
            ),
            (
                "HTTP/1.1 201 Created\r\nHTTP/1.1 404 Not Found\r\n",
                broken("is answered 404"),
            ),
            ("no status", Ok("exit 0".to_owned())),
        ] {
            assert_eq!(responses(output), expected);
        }
    }

    #[test]
    fn a_recipe_is_found_by_its_whole_name() {
        let justfile = "# logs of it\nlogs name *args:\n    just logs\nstop:\n";
        for (name, is_recipe) in [
            ("logs", true),
            ("stop", true),
            ("log", false),
            ("name", false),
        ] {
            assert_eq!(defines(justfile, name), is_recipe, "{name}");
        }
    }
}
