//! Isolated instances below the main one's directory: somebody has each for as long as a check or a drill takes. One
//! that nobody has and that runs all the same was left by an interrupted one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bring_down::Volumes;
use crate::component::COMPONENTS;
use crate::error::{Error, Result};
use crate::instance::{Instance, STATE};
use crate::report::Event;
use crate::state::Lock;

/// Below an instance's home.
const LOCK: &str = "held";

/// An instance is somebody's until this is dropped, or its process ends.
#[derive(Debug)]
#[must_use = "the instance is free again when it is dropped"]
pub struct Hold {
    _lock: Lock,
}

impl Instance {
    /// Takes the instance for as long as it has to stay as it is: nobody else can hold it then, and `down` of the main
    /// one leaves it alone. It does not start or stop anything.
    pub fn hold(&self) -> Result<Hold> {
        match Lock::take(&self.home.join(LOCK)) {
            Ok(lock) => Ok(Hold { _lock: lock }),
            Err(Error::Busy { holder }) => Err(Error::Held {
                home: self.home.clone(),
                holder,
            }),
            Err(other) => Err(other),
        }
    }

    /// Stops what interrupted checks and drills have left behind.
    pub(crate) fn stop_leftovers(&self, volumes: Volumes) -> Result<()> {
        for home in self.isolated_below() {
            let left = Self::isolated(&self.root, &home)?.with_report(Arc::clone(&self.report));
            let running = left.running()?;
            if running.is_empty() {
                continue;
            }
            let place = home.strip_prefix(&self.root).unwrap_or(&home).display();
            let _held = match left.hold() {
                Ok(held) => held,
                Err(Error::Held { holder, .. }) => {
                    let note = format!("left alone: what runs in {place} is in use (pid {holder})");
                    self.report.event(&Event::Note(&note));
                    continue;
                }
                Err(other) => return Err(other),
            };
            let names = running.join(", ");
            let note = format!("stopping what an interrupted run has left in {place}: {names}");
            self.report.event(&Event::Note(&note));
            left.down(volumes)?;
        }
        Ok(())
    }

    fn isolated_below(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.home).into_iter().flatten().flatten();
        let mut homes: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.join(STATE).is_file())
            .collect();
        homes.sort();
        homes
    }

    /// Its components that run, or have children that do.
    fn running(&self) -> Result<Vec<&'static str>> {
        let state = self.state()?;
        let names = COMPONENTS.iter().map(|component| component.name);
        Ok(names
            .filter(|name| {
                state
                    .last(name)
                    .is_some_and(|record| record.identity.has_processes())
            })
            .collect())
    }
}
