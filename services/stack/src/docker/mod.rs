//! The stack as containers: `docker-compose.yml` brought up by the Docker command line.
//!
//! [`choice`] decides between Docker and native processes, once per command. [`engine`] asks the engine and
//! [`container`] reads its answers; [`places`] says which component is a container and which a process. [`images`],
//! [`stand_in`] and [`prebuilt`] prepare what [`bring_up`] starts.

mod bring_down;
mod bring_up;
pub(crate) mod choice;
mod compose;
mod container;
mod engine;
mod images;
mod places;
mod prebuilt;
mod stand_in;
mod status;

pub(crate) use choice::{Choice, Docker};
pub use choice::{Lack, Runtime};
pub(crate) use container::{Container, Phase};
pub(crate) use engine::{Engine, port_holder};
pub use images::{Image, Origin};
