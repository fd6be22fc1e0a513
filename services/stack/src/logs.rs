//! `stack logs NAME`.

use std::path::Path;
use std::process::Command;

use crate::error::{IoContext as _, Result, failed};
use crate::instance::Instance;

impl Instance {
    /// Prints the last lines of a component's output; with `follow`, also those that come. A service writes into its own
    /// file; its output streams hold something only if it broke.
    pub fn show_logs(&self, name: &str, lines: usize, follow: bool) -> Result<()> {
        let component = self.topology.component(name)?;
        let lines = lines.to_string();
        if self.is_inside(component) {
            let mut arguments = vec!["logs", "--no-log-prefix", "--tail", &lines];
            arguments.extend(follow.then_some("--follow"));
            return self.compose_run(&arguments, &[component]);
        }
        let own = self.shop_log_dir().join(format!("rust_app_{name}.log"));
        let is_own = component.is_service() && own.exists();
        let path = if is_own {
            own
        } else {
            self.component_log(name)
        };
        if !path.exists() {
            return Err(failed!("{name} has no output yet ({})", path.display()));
        }
        let mut tail = Command::new("tail");
        tail.args(["-n", &lines])
            .args(follow.then_some("-F"))
            .arg(path);
        tail.status().context("start", Path::new("tail")).map(drop)
    }
}
