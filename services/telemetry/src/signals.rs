//! What the process does when it is told to end, or to open its log file again.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From now on SIGTERM or SIGINT calls `stop`, SIGHUP calls `reopen`, and a second SIGTERM or SIGINT ends the process at once.
///
/// A thread and a runtime of their own: a service that blocks its runtime, or is past it and flushes, can still be ended.
///
/// # Errors
/// If the system refuses a handler or a thread.
pub(crate) fn listen(
    stop: impl FnOnce() + Send + 'static,
    reopen: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Before the thread starts: a signal that comes right after this function is not lost.
    let mut signals = {
        let _entered = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                signals.end(&reopen).await;
                stop();
                signals.end(&reopen).await;
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the second signal asks for the end without the flush"
                )]
                std::process::exit(1)
            })
        })?;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Returns when the process is told to end.
    async fn end(&mut self, reopen: &impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reopen(),
            }
        }
    }
}
