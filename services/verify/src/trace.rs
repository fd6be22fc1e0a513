//! The model of traces, which the tests share.

pub use telemetry_testing::{Kind, Span, Status, Trace};

#[cfg(test)]
pub(crate) mod sample {
    use super::{Kind, Span};

    /// A span with that id.
    pub(crate) fn span(
        id: &str,
        parent: Option<&str>,
        service: &str,
        kind: Kind,
        name: &str,
    ) -> Span {
        Span {
            span_id: id.to_owned(),
            parent_span_id: parent.map(str::to_owned),
            ..Span::of_service(service, kind, name)
        }
    }
}
