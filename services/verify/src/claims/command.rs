//! Commands that the pages tell to type.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use regex::Regex;
use tokio::process::Command;
use tokio::time::timeout;

use super::jump::real_port;
use super::page::{Page, Typed};
use crate::check::Scene;
use crate::poll::Look;

/// None of them takes a tenth of this.
const LONGEST: Duration = Duration::from_secs(60);
/// Built by the native launcher only.
const NATIVE: &str = ".stack/bin/";
/// Answers to a request that was typed wrong. 409 and 5xx are what some commands are there to show.
const MISTYPED: [&str; 6] = ["400", "404", "405", "413", "415", "422"];

/// Runs a block from the root of the working copy, on the ports of the running system.
pub(super) async fn typed(scene: &Scene, typed: &Typed) -> anyhow::Result<Look> {
    if typed.text.contains(NATIVE) && !scene.repository.join(NATIVE).is_dir() {
        return Ok(Look::Missing(
            "no native programs: commands that use them".to_owned(),
        ));
    }
    let mut text = typed.text.clone();
    for found in Regex::new(r"localhost:(\d+)")?.captures_iter(&typed.text) {
        match real_port(&scene.artifacts, &found[1]) {
            Ok((_, real)) => text = text.replace(&found[0], &format!("localhost:{real}")),
            Err(state) => return Ok(Look::Broken(state)),
        }
    }
    let running = Command::new("sh")
        .args(["-euc", &text])
        .current_dir(&scene.repository)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(ended) = timeout(LONGEST, running).await else {
        return Ok(Look::Broken(format!("runs for over {LONGEST:?}")));
    };
    let ended = ended.context("starting sh")?;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    if !ended.status.success() {
        let complaint = String::from_utf8_lossy(&ended.stderr);
        let last = complaint.lines().last().unwrap_or_default();
        return Ok(Look::Broken(format!("{}: {last}", ended.status)));
    }
    answered(&said)
}

/// What `curl -i` prints begins with the status, behind the body of the one before.
fn answered(said: &str) -> anyhow::Result<Look> {
    let found = Regex::new(r"HTTP/[0-9.]+ ([0-9]{3})")?;
    let statuses = found
        .captures_iter(said)
        .filter_map(|found| found.get(1))
        .map(|status| status.as_str());
    let statuses: Vec<&str> = statuses.collect();
    Ok(
        match statuses.iter().find(|status| MISTYPED.contains(status)) {
            Some(status) => Look::Broken(format!("is answered {status}")),
            None if statuses.is_empty() => Look::Holds("exit 0".to_owned()),
            None => Look::Holds(format!("is answered {}", statuses.join(", "))),
        },
    )
}

/// Recipes build, start and stop: that they exist is all that is asked of them here.
pub(super) fn recipes(scene: &Scene, page: &Page) -> Look {
    let justfile = match std::fs::read_to_string(scene.repository.join("justfile")) {
        Ok(justfile) => justfile,
        Err(error) => return Look::Broken(format!("justfile: {error}")),
    };
    let mut missing = page.recipes.iter().filter(|name| !defines(&justfile, name));
    match missing.next() {
        Some(recipe) => Look::Broken(format!("the justfile has no recipe {recipe}")),
        None => Look::Holds(format!("{} recipes", page.recipes.len())),
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
    fn an_answer_to_a_mistyped_request_is_told_and_a_shown_fault_is_none() {
        let answered = |said| answered(said).unwrap();
        let held = answered("HTTP/1.1 201 Created\r\n\r\n{}HTTP/1.1 504 Gateway Timeout\r\n");
        assert_eq!(held, Look::Holds("is answered 201, 504".to_owned()));
        let typo = answered("HTTP/1.1 201 Created\r\nHTTP/1.1 404 Not Found\r\n");
        assert_eq!(typo, Look::Broken("is answered 404".to_owned()));
        assert_eq!(answered("no status"), Look::Holds("exit 0".to_owned()));
    }

    #[test]
    fn a_recipe_begins_its_line_whole() {
        let justfile = "# logs of it\nlogs name *args:\n    just logs\nstop:\n";
        assert!(defines(justfile, "logs") && defines(justfile, "stop"));
        assert!(!defines(justfile, "log") && !defines(justfile, "name"));
    }
}
