//! Typed views of what arrived: one flat value per span, log record and metric point.

mod json;
mod log;
mod point;
mod span;
mod value;

pub use self::json::{Decoded, logs as logs_of_json, spans as spans_of_json};
pub use self::log::Log;
pub use self::point::{Data, Point, PointKind, Temporality};
pub use self::span::{Event, Kind, Link, Span, Status};
pub use self::value::{Attributes, Scope, Signal, Value};

pub(crate) use self::log::logs;
pub(crate) use self::point::points;
pub(crate) use self::span::spans;
