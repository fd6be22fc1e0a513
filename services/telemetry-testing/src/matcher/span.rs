//! Conditions on spans.

use super::Matcher;
use super::core::{Item, same};
use crate::model::{Attributes, Kind, Span, Status};

impl Item for Span {
    fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn resource(&self) -> &Attributes {
        &self.resource
    }
}

impl Matcher<Span> {
    /// Of that name.
    pub fn name(self, name: &str) -> Self {
        let name = name.to_owned();
        self.check(&format!("name {name:?}"), move |span| {
            same(&name, &span.name)
        })
    }

    /// Of that kind.
    pub fn kind(self, kind: Kind) -> Self {
        self.check(&format!("kind {kind}"), move |span| same(&kind, &span.kind))
    }

    /// In that trace.
    pub fn trace(self, trace_id: &str) -> Self {
        let trace_id = trace_id.to_owned();
        self.check(&format!("trace {trace_id}"), move |span| {
            same(&trace_id, &span.trace_id)
        })
    }

    /// With an error status, whatever its description.
    pub fn error(self) -> Self {
        self.check("an error status", |span| match span.status {
            Status::Error(_) => Ok(()),
            ref other => Err(format!("{other:?}")),
        })
    }

    /// With a status that is no error.
    pub fn no_error(self) -> Self {
        self.check("no error status", |span| match span.status {
            Status::Error(_) => Err(format!("{:?}", span.status)),
            _ => Ok(()),
        })
    }
}
