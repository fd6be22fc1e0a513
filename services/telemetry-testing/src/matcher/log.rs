//! Conditions on log records.

use super::Matcher;
use super::core::{Item, same};
use crate::model::{Attributes, Log, Value};

impl Item for Log {
    fn title(&self) -> String {
        format!(
            "{} {} {}",
            self.severity,
            self.event().unwrap_or("(no event name)"),
            self.body
        )
    }

    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn resource(&self) -> &Attributes {
        &self.resource
    }
}

impl Matcher<Log> {
    /// With that event name, as a field of the record or as attribute `event.name`.
    pub fn event(self, name: &str) -> Self {
        let name = name.to_owned();
        self.check(&format!("event {name:?}"), move |log| {
            same(&name.as_str(), &log.event().unwrap_or_default())
        })
    }

    /// With that severity text.
    pub fn severity(self, text: &str) -> Self {
        let text = text.to_owned();
        self.check(&format!("severity {text}"), move |log| {
            same(&text, &log.severity)
        })
    }

    /// With that message.
    pub fn body(self, text: &str) -> Self {
        let body = Value::from(text);
        self.check(&format!("body {body}"), move |log| same(&body, &log.body))
    }

    /// Recorded in that trace.
    pub fn trace(self, trace_id: &str) -> Self {
        let trace_id = Some(trace_id.to_owned());
        self.check(&format!("trace {trace_id:?}"), move |log| {
            same(&trace_id, &log.trace_id)
        })
    }
}
