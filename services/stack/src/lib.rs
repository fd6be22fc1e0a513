//! Builds, starts, watches and stops the Collector, its backends and the shop.
//!
//! The stack runs as processes of this machine or as containers of `docker-compose.yml` ([`Runtime`]); the shop's
//! services are processes on either.
//!
//! `stack.toml` ([`Topology`]) has for each program where it comes from, how it is started, what it listens on and when
//! it is ready. An [`Instance`] is one set of running components: the main one of the checkout, or an isolated one on
//! free ports for a test or a fault drill.
//!
//! ```no_run
//! let root = stack::repository_root(&std::env::current_dir()?)?;
//! let drill = stack::Instance::isolated(&root, std::path::Path::new("/tmp/drill"))?;
//! drill.run()?; // the Collector, its backends and the services, all ready
//! drill.kill_component("prometheus")?; // as a crash would
//! drill.start_component("prometheus")?;
//! println!("{}", drill.addresses().gateway);
//! drill.down(stack::Volumes::Forget)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything blocks: inside an async runtime, call it from a blocking task. Nothing is stopped on drop, because the
//! processes outlive the launcher on purpose.

mod build;
pub mod console;
mod docker;
mod environment;
mod error;
mod files;
mod instance;
mod job;
mod launch;
mod logs;
pub mod ports;
mod presence;
pub mod process;
mod start;
mod state;
mod status;
mod stop;
mod topology;
mod wait;

pub use build::{TOOLS, Tool};
pub use console::{Report, Silent};
pub use environment::{Environment, repository_root};
pub use error::{Error, Result};
pub use instance::{Instance, Profile, Runtime};
pub use presence::{LogStore, TraceStore};
pub use probe::Probe;
pub use status::{Addresses, Condition, Status};
pub use stop::{Hold, Volumes};
pub use topology::{Component, Overlay, Program, Protocol, Topology};
