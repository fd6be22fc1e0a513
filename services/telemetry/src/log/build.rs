//! The drains put together, and their end.

use std::io::{self, IsTerminal};
use std::panic::UnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use opentelemetry::metrics::Meter;
use otel_slog::Stamp;
use slog::{
    Drain, Duplicate, LevelFilter, Logger, Never, OwnedKVList, Record, SendSyncRefUnwindSafeDrain,
    o,
};

use super::bridge::Bridge;
use super::console::{Console, Stderr};
use super::dropped::Dropped;
use super::file::RotatingFile;
use super::lane::Lane;
use super::{Error, line};
use crate::config::LogConfig;

/// Builds the root logger of a service over `otel` and the lanes that `config` asks for.
///
/// Each line says `service`, the name that the resource says over OTLP; `code` names the file.
///
/// Instruments are built from `meter`: give one of a provider that is already installed.
///
/// # Errors
/// When the log directory or the file in it cannot be used.
pub fn build<D>(
    code: &'static str,
    service: &str,
    config: &LogConfig,
    meter: &Meter,
    otel: D,
) -> Result<(Logger, Guard), Error>
where
    D: SendSyncRefUnwindSafeDrain<Ok = (), Err = Never> + UnwindSafe + 'static,
{
    let dropped = Dropped::new(meter);
    let reopen = Arc::new(AtomicBool::new(false));
    let path = config.dir.join(format!("rust_app_{code}.log"));
    let file = RotatingFile::open(path, config, Arc::clone(&reopen))?;

    let is_terminal = io::stderr().is_terminal();
    let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let console = || Console::new(Lane::new(dropped.lane("console")), is_coloured);
    let lines = Lines {
        service: service.into(),
        file: Lane::new(dropped.lane("file")),
        console: config.console.unwrap_or(is_terminal).then(console),
    };
    let local = root(config, lines.clone());
    lines
        .file
        .start("log-file", file.complain_to(local.clone()))?;
    if let Some(console) = &lines.console {
        console.lane().start("log-console", Stderr)?;
    }
    let log = root(config, Duplicate(otel, lines.clone()).ignore_res());
    let guard = Guard {
        bridge: Bridge::new(log.clone(), local.clone(), dropped.bridge()),
        local,
        lines,
        reopen,
    };
    Ok((log, guard))
}

fn root<D>(config: &LogConfig, drain: D) -> Logger
where
    D: SendSyncRefUnwindSafeDrain<Ok = (), Err = Never> + UnwindSafe + 'static,
{
    let drain = LevelFilter(Stamp::new(drain), config.level);
    Logger::root(drain.ignore_res(), o!())
}

/// The lanes that are lines of text.
#[derive(Clone)]
struct Lines {
    service: Arc<str>,
    file: Arc<Lane>,
    console: Option<Console>,
}

impl Lines {
    fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        let console = self.console.as_ref().map(Console::lane);
        [Some(&self.file), console].into_iter().flatten()
    }
}

impl Drain for Lines {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        line::with_json(&self.service, record, values, |line| self.file.push(line));
        if let Some(console) = &self.console {
            console.log(record, values)?;
        }
        Ok(())
    }
}

/// Keeps the lanes running. Dropped without [`Guard::shutdown`], it waits a second for what they still hold.
#[must_use = "the log ends when it is dropped"]
pub struct Guard {
    local: Logger,
    bridge: Bridge,
    lines: Lines,
    reopen: Arc<AtomicBool>,
}

/// What became of the lines of all lanes, from the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogReport {
    /// Lines that were not written.
    pub lost: u64,
    /// `false`: the deadline came first, and lines that still waited are in no count.
    pub is_complete: bool,
}

impl Guard {
    /// The logger without the OTLP lane, for what telemetry has to say about itself: sent with the rest, a failure to
    /// send would feed on its own report.
    pub fn local(&self) -> &Logger {
        &self.local
    }

    /// What brings the words of libraries into the log.
    pub fn bridge(&self) -> Bridge {
        self.bridge.clone()
    }

    /// Set it to make the file lane open its file again, as a log rotator asks for by SIGHUP.
    pub fn reopen(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reopen)
    }

    /// Writes what still waits, synchronises the file, and ends the lanes; waits for that until `deadline`.
    /// What is logged afterwards is in the OTLP lane only.
    pub fn shutdown(&self, deadline: Instant) -> LogReport {
        for lane in self.lines.lanes() {
            lane.close(deadline);
        }
        let mut report = LogReport {
            lost: 0,
            is_complete: true,
        };
        for lane in self.lines.lanes() {
            report.is_complete &= lane.is_ended_by(deadline);
            report.lost += lane.lost();
        }
        report
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // One that was shut down has waited long enough.
        if !self.lines.file.is_closed() {
            self.shutdown(Instant::now() + Duration::from_secs(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::global;
    use slog::Discard;

    use super::*;

    #[test]
    fn an_end_that_comes_too_soon_says_so() {
        let dropped = Dropped::new(&global::meter("test"));
        let log = Logger::root(Discard, o!());
        let guard = Guard {
            bridge: Bridge::new(log.clone(), log.clone(), dropped.bridge()),
            local: log,
            // Without a thread it never ends.
            lines: Lines {
                service: "order".into(),
                file: Lane::new(dropped.lane("file")),
                console: None,
            },
            reopen: Arc::default(),
        };
        let began = Instant::now();
        assert!(!guard.shutdown(Instant::now()).is_complete);
        drop(guard);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "it is not waited for twice"
        );
    }
}
