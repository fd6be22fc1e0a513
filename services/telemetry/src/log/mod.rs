//! The log lanes: OTLP, the JSON file, the console; and the bridge that brings the words of libraries into them.
//!
//! | lane | holds | written by |
//! |---|---|---|
//! | OTLP | every record at or above `SHOP_LOG_LEVEL` | [`otel_slog::OtelDrain`], on the caller's thread |
//! | file | the same records, and what telemetry says about itself | one thread, at most 200 ms later |
//! | console | as the file | one thread, where `SHOP_LOG_CONSOLE` says so |
//!
//! One stamp above all three gives a record one time and one pair of ids in every lane.
//! A lane's lines are made on the caller's thread and wait in a bounded buffer: a slow or full disk, or a stopped
//! terminal, costs lines and never a caller's time. A line that finds the buffer full is dropped and counted in
//! `shop.log.dropped`:
//!
//! | `lane` | `reason` | what happened |
//! |---|---|---|
//! | `file`, `console` | `queue_full` | 8 MiB of lines waited |
//! | `file` | `write_failed` | the end came before the disk took them |
//! | `console` | `write_failed` | nobody reads stderr any more |
//! | `bridge` | `rate_limited` | telemetry repeated itself within 10 s |
//!
//! # The file
//!
//! `rust_app_<service>.log` in `SHOP_LOG_DIR` has one JSON object per line:
//!
//! | key | value |
//! |---|---|
//! | `timestamp` | RFC 3339 in UTC with nine digits |
//! | `level` | `FATAL`, `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE` |
//! | `message` | the message |
//! | `trace_id`, `span_id`, `trace_flags` | hex; absent outside a span |
//! | `target`, `code.file.path`, `code.line.number` | where the record was logged |
//! | `service` | the `service.name` that the resource says over OTLP |
//! | others | the record's attributes, mapped as in the OTLP lane (tables of [`otel_slog`]) |
//!
//! Attributes named `level`, `message` and `service` are written as `attribute.level`, `attribute.message` and `attribute.service`.
//!
//! Promtail reads the directory from another user's container, so it is created with mode 0755 and the file with 0644. A
//! directory or a file that is a symbolic link, or belongs to someone else, is refused: in `/tmp` anyone could have put it there.
//!
//! At `SHOP_LOG_FILE_MAX` the file becomes `.1`, `.1` becomes `.2`, and the one beyond `SHOP_LOG_FILE_KEEP` goes. A batch of lines is
//! never divided between files. A file that was moved or removed by someone else is noticed before the next batch.
//! If a rename or an open fails, lines go on into the file that is open.

mod bridge;
mod build;
mod console;
mod dropped;
mod file;
mod lane;
mod line;
mod location;
mod rate;

pub use bridge::Bridge;
pub use build::{Guard, LogReport, build};
pub use location::Error;
