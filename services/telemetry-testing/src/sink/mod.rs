//! A real OTLP/HTTP server in the test's process.
//!
//! `server` owns the thread and the sockets, `answer` decides what a request gets, `state` keeps what was
//! accepted and what every request looked like.

mod answer;
mod handle;
mod server;
mod state;

pub use self::answer::Behaviour;
pub use self::handle::Sink;
pub use self::state::Request;
