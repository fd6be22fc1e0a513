//! From `tracing` spans to OpenTelemetry spans.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::registry::LookupSpan;

/// Targets whose spans are exported beside the service's own: code that all services share.
const SHARED: [&str; 2] = ["hosting", "shop"];

/// The layer that exports spans of the service's own code, lean: no location, thread, target or idle time on each span.
///
/// Spans of libraries never pass: hyper and h2 describe the exporter's own requests too, and would feed it for ever.
/// Events do not pass either, they are log records (see the bridge).
pub(crate) fn layer<S>(tracers: &SdkTracerProvider, service: &'static str) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let own =
        move |metadata: &Metadata<'_>| metadata.is_span() && is_own(metadata.target(), service);
    tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_tracer(tracers.tracer("shop"))
        // Without the hint every `trace!` of every library would be asked about.
        .with_filter(FilterFn::new(own).with_max_level_hint(LevelFilter::DEBUG))
}

/// A target is the path of a module: the crate of the service (`-` is `_` there), or one of the shared ones.
fn is_own(target: &str, service: &str) -> bool {
    let root = target.split("::").next().unwrap_or_default();
    SHARED.contains(&root)
        || root
            .bytes()
            .eq(service.bytes().map(|b| if b == b'-' { b'_' } else { b }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_of_the_shop_are_exported() {
        for target in ["order", "order::place", "hosting::store", "shop"] {
            assert!(is_own(target, "order"), "{target}");
        }
        for target in [
            "orders",
            "hyper::client",
            "h2",
            "",
            "gateway::order",
            "tonic",
        ] {
            assert!(!is_own(target, "order"), "{target}");
        }
        assert!(is_own("load_test::main", "load-test"));
    }
}
