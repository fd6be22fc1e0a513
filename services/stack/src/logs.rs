//! `stack logs NAME`: the last lines, and those that come.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use stack::{Instance, component, process};

/// How soon a followed line is seen.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn show(stack: &Instance, name: &str, lines: usize, follow: bool) -> anyhow::Result<()> {
    if let Some(mut command) = stack.output_command(name, lines, follow)? {
        // Ended by Ctrl-C or by the container's end: neither is an error of ours.
        command.status().context("cannot start docker")?;
        return Ok(());
    }
    let path = source(stack, name)?;
    let mut file = File::open(&path)
        .with_context(|| format!("{name} has no output yet ({})", path.display()))?;
    let last = process::tail(&path, 0, lines);
    if !last.is_empty() {
        anstream::println!("{last}");
    }
    if follow {
        file.seek(SeekFrom::End(0))?;
        loop {
            let mut more = Vec::new();
            file.read_to_end(&mut more)?;
            std::io::stdout().write_all(&more)?;
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
    Ok(())
}

/// A service logs into its own file; its output streams hold something only if it broke.
fn source(stack: &Instance, name: &str) -> anyhow::Result<PathBuf> {
    let output = stack.component_log(name);
    if component(name)?.is_service() {
        let own = stack.shop_log_dir().join(format!("rust_app_{name}.log"));
        if own.exists() {
            return Ok(own);
        }
    }
    Ok(output)
}
