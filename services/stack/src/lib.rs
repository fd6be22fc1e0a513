//! Builds, starts, watches and stops the Collector, its backends and the shop.
//!
//! They run natively, as processes, or as containers of `docker-compose.yml` ([`Runtime`]).
//!
//! One table of components ([`COMPONENTS`]) says for each program where it comes from, how it is started, what it
//! listens on and when it is ready. An [`Instance`] is one set of running components: the main one of the working
//! copy, or an isolated one on free ports for a test or a fault drill.
//!
//! ```no_run
//! let root = stack::repository_root(&std::env::current_dir()?)?;
//! let drill = stack::Instance::isolated(&root, std::path::Path::new("/tmp/drill"))?;
//! drill.run()?; // the Collector, its backends and the four services, all ready
//! drill.kill_component("loki")?; // as a crash would
//! drill.start_component("loki")?;
//! println!("{}", drill.addresses().gateway);
//! drill.down(stack::Volumes::Forget)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything blocks: inside an async runtime, call it from a blocking task. Nothing is stopped on drop, because the
//! processes outlive the launcher on purpose.

mod bring_down;
mod bring_up;
mod cargo;
mod component;
pub mod console;
mod docker;
mod environment;
mod error;
mod files;
mod fingerprint;
mod hold;
mod instance;
mod job;
mod launch;
mod line_endings;
pub mod ports;
mod presence;
pub mod process;
mod report;
mod setup;
mod state;
mod status;
mod tools;
mod topology;
mod wait;

pub use bring_down::Volumes;
pub use component::{COMPONENTS, Component, Program, Ready, component};
pub use docker::{Image, Lack, Origin, Runtime};
pub use environment::{Environment, repository_root};
pub use error::{Error, Result};
pub use hold::Hold;
pub use instance::{Instance, LogStore, Profile, TraceStore};
pub use probe::Probe;
pub use report::{Event, Report, Silent, Work};
pub use status::{Addresses, Condition, Status};
pub use tools::{TOOLS, Tool};
pub use topology::{Overlay, Protocol, Topology};
