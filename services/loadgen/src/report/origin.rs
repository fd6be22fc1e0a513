//! What it takes to run the same again.

use std::time::SystemTime;

use serde::Serialize;

/// Where a report comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Origin {
    pub command: String,
    pub version: &'static str,
    /// `debug` or `release`: the generator's own, the services' is the stack's affair.
    pub build: &'static str,
    pub kernel: String,
    pub cpus: usize,
    /// RFC 3339, UTC.
    pub started: String,
}

impl Origin {
    /// Of this process, now.
    #[must_use]
    pub fn here(arguments: impl IntoIterator<Item = String>) -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let words: Vec<_> = arguments.into_iter().map(|word| quoted(&word)).collect();
        Self {
            command: words.join(" "),
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            kernel: kernel.trim().to_owned(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }
}

/// As a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let words = [
            "loadgen",
            "--json",
            "it's here.json",
            "",
            "--mix=orders=1,order=2",
        ];
        let origin = Origin::here(words.map(str::to_owned));
        assert_eq!(
            origin.command,
            r"loadgen --json 'it'\''s here.json' '' --mix=orders=1,order=2"
        );
        assert!(origin.cpus > 0);
    }
}
