//! `stack logs NAME`: the last lines of a component's output, and those that follow.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use crate::error::{IoContext as _, Result};
use crate::instance::Instance;
use crate::process::tail;

/// How soon a followed line is shown.
const INTERVAL: Duration = Duration::from_millis(200);

impl Instance {
    /// Prints the last lines of a component's output; with `follow`, goes on until the process is ended. A service writes
    /// into its own file; its output streams hold something only if it broke.
    pub fn show_logs(&self, name: &str, lines: usize, follow: bool) -> Result<()> {
        let component = self.topology.component(name)?;
        let own = self.shop_log_dir().join(format!("rust_app_{name}.log"));
        if self.is_inside(component) {
            let lines = lines.to_string();
            let mut arguments = vec!["logs", "--no-log-prefix", "--tail", &lines];
            arguments.extend(follow.then_some("--follow"));
            return self.compose_run(&arguments, &[component]);
        }
        let path = match component.is_service() && own.exists() {
            true => own,
            false => self.component_log(name),
        };
        let mut file = File::open(&path).context("read the output of that component:", &path)?;
        let last = tail(&path, 0, lines);
        let mut stdout = std::io::stdout();
        let mut print = |bytes: &[u8]| stdout.write_all(bytes).context("write", &path);
        if !last.is_empty() {
            print(format!("{last}\n").as_bytes())?;
        }
        if follow {
            file.seek(SeekFrom::End(0)).context("read", &path)?;
        }
        while follow {
            let mut more = Vec::new();
            file.read_to_end(&mut more).context("read", &path)?;
            print(&more)?;
            std::thread::park_timeout(INTERVAL);
        }
        Ok(())
    }
}
