//! What the launcher tells while it works; the command line draws it, tests and drills may ignore it.

use std::time::Duration;

/// One thing worth telling.
#[derive(Debug)]
pub enum Event<'a> {
    /// Comes several times a second while a build or a download runs.
    Working {
        work: Work,
        what: &'a str,
        elapsed: Duration,
        detail: &'a str,
    },
    Worked {
        work: Work,
        what: &'a str,
        elapsed: Duration,
    },
    Starting {
        component: &'a str,
    },
    Ready {
        component: &'a str,
        elapsed: Duration,
        url: &'a str,
    },
    Stopping {
        component: &'a str,
    },
    Stopped {
        component: &'a str,
        elapsed: Duration,
        killed: bool,
    },
    /// A sentence of its own.
    Note(&'a str),
}

/// What takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Build,
    /// Of an image, from its registry.
    Pull,
}

/// Who is told.
pub trait Report: Send + Sync {
    fn event(&self, event: &Event<'_>);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Report for Silent {
    fn event(&self, _: &Event<'_>) {}
}
