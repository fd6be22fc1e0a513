//! Faults that act on purpose, asked for by baggage.
//!
//! The gateway's scenario route puts `shop.fault` into the baggage; the baggage travels with the request; the service that the
//! fault is meant for reads it here. A fault acts only where `SHOP_FAULTS=on`: baggage alone breaks nothing.

use contract::{attributes, events};
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use slog::{Logger, warn};

/// What goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Product answers the price lookup with an error.
    ProductError,
    /// Inventory takes longer to reserve than order waits.
    InventoryTimeout,
    /// Product takes long, inside every limit.
    LongRequest,
}

impl Fault {
    /// The fault that the current request asks for, where faults are switched on.
    pub fn current(enabled: bool) -> Option<Self> {
        if !enabled {
            return None;
        }
        Context::map_current(|context| {
            let name = context.baggage().get(attributes::FAULT)?;
            Self::named(name.as_str())
        })
    }

    /// Runs `calls` asking for this fault. Baggage that is there already is kept.
    pub fn ask<F: Future>(self, calls: F) -> WithContext<F> {
        calls.with_context(self.within(&Context::current()))
    }

    fn within(self, context: &Context) -> Context {
        let kept = context.baggage().iter();
        let kept = kept.map(|(key, (value, metadata))| {
            KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone())
        });
        let fault = KeyValueMetadata::new(attributes::FAULT, self.name(), "");
        context.with_baggage(kept.chain([fault]))
    }

    /// Says that this fault acts now: in the log and on the current span, so that nobody looks for another cause.
    pub fn announce(self, log: &Logger) {
        warn!(log, "a fault acts, as the request asked"; "event.name" => events::FAULT_INJECTED,
            attributes::FAULT => self.name());
        Context::map_current(|context| {
            let fault = KeyValue::new(attributes::FAULT, self.name());
            context.span().set_attribute(fault.clone());
            context
                .span()
                .add_event(events::FAULT_INJECTED, vec![fault]);
        });
    }

    /// Its name in baggage, and in the attribute `shop.fault`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProductError => "product-error",
            Self::InventoryTimeout => "inventory-timeout",
            Self::LongRequest => "long-request",
        }
    }

    /// The fault of that name.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::ProductError,
            Self::InventoryTimeout,
            Self::LongRequest,
        ]
        .into_iter()
        .find(|fault| fault.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_acts_only_where_faults_are_switched_on() {
        let _asked = Fault::ProductError.within(&Context::new()).attach();
        assert_eq!(Fault::current(true), Some(Fault::ProductError));
        assert_eq!(Fault::current(false), None);
    }

    #[test]
    fn baggage_that_names_no_fault_asks_for_none() {
        assert_eq!(Fault::current(true), None);
        let baggage = [KeyValue::new(attributes::FAULT, "meltdown")];
        let _asked = Context::new().with_baggage(baggage).attach();
        assert_eq!(Fault::current(true), None);
    }

    #[test]
    fn a_fault_keeps_the_baggage_it_is_added_to() {
        let tenant = Context::new().with_baggage([KeyValue::new("tenant", "a")]);
        let both = Fault::LongRequest.within(&tenant);
        assert_eq!(both.baggage().len(), 2);
    }
}
