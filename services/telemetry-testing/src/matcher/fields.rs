//! Conditions on the fields of each type of item, and sums over metric series.

use super::{Matcher, Mismatch};
use crate::model::{Kind, Log, Point, PointKind, Span, Status, Value};

impl Matcher<Span> {
    pub fn name(self, name: &str) -> Self {
        let wanted = format!("name {name:?}");
        self.is(&wanted, name.to_owned(), |span| span.name.clone())
    }

    pub fn kind(self, kind: Kind) -> Self {
        self.is(&format!("kind {kind}"), kind, |span| span.kind)
    }

    /// In that trace.
    pub fn trace(self, id: &str) -> Self {
        let wanted = format!("trace {id}");
        self.is(&wanted, id.to_owned(), |span| span.trace_id.clone())
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

impl Matcher<Log> {
    /// With that event name, as a field of the record or as attribute `event.name`.
    pub fn event(self, name: &str) -> Self {
        let event = |log: &Log| log.event().unwrap_or_default().to_owned();
        self.is(&format!("event {name:?}"), name.to_owned(), event)
    }

    /// With that severity text.
    pub fn severity(self, text: &str) -> Self {
        let wanted = format!("severity {text}");
        self.is(&wanted, text.to_owned(), |log| log.severity.clone())
    }

    /// With that message.
    pub fn body(self, text: &str) -> Self {
        let body = Value::from(text);
        self.is(&format!("body {body}"), body, |log| log.body.clone())
    }

    /// Recorded in that trace.
    pub fn trace(self, id: &str) -> Self {
        let id = Some(id.to_owned());
        self.is(&format!("trace {id:?}"), id, |log| log.trace_id.clone())
    }
}

impl Matcher<Point> {
    /// Of the metric of that name.
    pub fn name(self, name: &str) -> Self {
        let wanted = format!("name {name:?}");
        self.is(&wanted, name.to_owned(), |point| point.name.clone())
    }

    pub fn unit(self, unit: &str) -> Self {
        let wanted = format!("unit {unit:?}");
        self.is(&wanted, unit.to_owned(), |point| point.unit.clone())
    }

    pub fn kind(self, kind: PointKind) -> Self {
        self.is(&format!("kind {kind:?}"), kind, |point| point.kind)
    }

    /// The newest values of all matching series, summed; for histograms the number of recorded values.
    pub fn total(&self) -> Result<f64, Mismatch> {
        Ok(self.all()?.iter().map(Point::value).sum())
    }

    /// The sums of all matching histograms, summed.
    pub fn total_sum(&self) -> Result<f64, Mismatch> {
        Ok(self.all()?.iter().map(Point::sum).sum())
    }

    /// Succeeds when [`total`](Self::total) is `wanted`; made for [`poll`](crate::poll()).
    pub fn total_is(&self, wanted: f64) -> Result<(), Mismatch> {
        match self.total()? {
            total if total == wanted => Ok(()),
            total => Err(self.mismatch(&format!("the total is {total}, not {wanted}"))),
        }
    }
}
