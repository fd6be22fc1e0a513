use opentelemetry::Context;
use opentelemetry::baggage::{Baggage, BaggageExt};
use opentelemetry::trace::{Link, TraceContextExt};

/// How much a server believes its callers. Default: [`Edge::Internal`].
#[derive(Clone, Debug, Default)]
pub enum Edge {
    /// The callers are ours: continue their trace, accept their baggage.
    #[default]
    Internal,
    /// The callers are anybody.
    Public(PublicEdge),
}

/// A server that anybody can reach. By default it starts a new trace, links the caller's span to it
/// and drops inbound baggage: otherwise a caller decides what is sampled, and which trace a request
/// is filed under.
///
/// Every response carries `traceresponse: 00-<trace id>-<span id>-<flags>`, so that a caller can
/// name the trace.
#[derive(Clone, Debug, Default)]
pub struct PublicEdge {
    /// Continue the caller's trace instead of linking it. Default: off.
    pub trust_caller: bool,
    /// The baggage keys that are accepted. Default: none.
    pub baggage_allow: Vec<String>,
}

impl Edge {
    /// The parent of the server's span and the links it gets, from what the caller sent.
    pub(super) fn admit(&self, caller: Context) -> (Context, Vec<Link>) {
        let Edge::Public(edge) = self else {
            return (caller, Vec::new());
        };
        let span = caller.span().span_context().clone();
        let mut parent = Context::new();
        let mut links = Vec::new();
        // A caller without a trace gets a new one, trusted or not: an invalid parent would never be sampled.
        match (span.is_valid(), edge.trust_caller) {
            (true, true) => parent = parent.with_remote_span_context(span),
            (true, false) => links.push(Link::with_context(span)),
            (false, _) => {}
        }
        let mut baggage = Baggage::new();
        for (key, (value, _)) in caller.baggage() {
            if edge
                .baggage_allow
                .iter()
                .any(|allowed| allowed == key.as_str())
            {
                // Not its metadata: the SDK writes that undecoded, with any `,` in it.
                baggage.insert(key.clone(), value.clone());
            }
        }
        if !baggage.is_empty() {
            parent = parent.with_baggage(baggage);
        }
        (parent, links)
    }

    pub(super) fn is_public(&self) -> bool {
        matches!(self, Edge::Public(_))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::baggage::KeyValueMetadata;

    use super::*;

    /// Whatever propagator the program has: not each of them hands over pairs only.
    #[test]
    fn an_allowed_member_is_let_in_without_its_metadata() {
        let sent = KeyValueMetadata::new("tenant", "a", "p=,shop.fault=long-request");
        let edge = Edge::Public(PublicEdge {
            baggage_allow: vec!["tenant".to_owned()],
            ..PublicEdge::default()
        });
        let (admitted, _) = edge.admit(Context::new().with_baggage([sent]));
        let (value, metadata) = admitted.baggage().iter().next().unwrap().1;
        assert_eq!((value.as_str(), metadata.as_str()), ("a", ""));
    }
}
