//! What leaves the services is what the registry of `contract` documents: all of it, and nothing else.

use std::collections::BTreeSet;

use contract::{AttributeRef, Instrument, Registry};
use telemetry_testing::{Attributes, Item, Kind, Log, Point, PointKind, Span, Temporality};

use crate::http::Reply;
use crate::shop::{SERVICES, Shop};

fn registry() -> Registry {
    Registry::shipped().unwrap()
}

#[test]
fn the_services_of_the_registry_are_those_of_the_shop() {
    let (registry, shop) = (registry(), SERVICES.map(str::to_owned));
    assert_eq!(BTreeSet::from_iter(registry.services), BTreeSet::from(shop));
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_arrives() {
    let shop = driven().await;
    let registry = registry();
    for metric in &registry.metrics {
        for service in &metric.by {
            shop.series(&metric.name, service).eventually();
        }
    }
    let points = shop.sink.latest_metrics();
    expect_documented(&points, |point, differences| {
        documented_metric(&registry, point, differences)
    });
}

#[test]
fn known_outcomes_are_exported_as_zero_before_the_first() {
    let shop = Shop::start();
    let registry = registry();
    let mut seen = 0;
    for metric in &registry.metrics {
        let (Instrument::Counter, [used]) = (metric.instrument, &*metric.attributes) else {
            continue;
        };
        // Values that upstream enumerates are not outcomes.
        let outcomes = registry.attribute(&used.name).into_iter();
        for value in outcomes.flat_map(|attribute| &attribute.values) {
            for service in &metric.by {
                let series = shop.series(&metric.name, service);
                let series = series.attribute(&used.name, value.as_str()).eventually();
                assert_eq!(series.value(), 0.0, "{} {value} of {service}", metric.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "no counter has enumerated outcomes");
}

#[tokio::test]
async fn every_span_is_documented_with_its_service_and_attributes() {
    let shop = driven().await;
    let registry = registry();
    let spans = shop.sink.spans();
    expect_documented(&spans, |span, differences| {
        documented_span(&registry, span, differences)
    });
    let seen: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let unseen: Vec<_> = registry.span_names().difference(&seen).copied().collect();
    // They need a reservation that is given up: tests in `stock` make the services emit them.
    let of_stock = ["inventory.release", "inventory.sweep", "order.release"];
    assert_eq!(unseen, of_stock);
}

#[tokio::test]
async fn every_log_event_is_documented_with_its_severity_service_and_attributes() {
    let shop = driven().await;
    shop.sink.log().event("gateway.request.failed").eventually();
    let registry = registry();
    let mut logs = shop.sink.logs();
    logs.retain(|log| log.event().is_some());
    expect_documented(&logs, |log: &Log, differences| {
        let event = registry.event(log.event()?)?;
        if !event.severity.is_empty() && !event.severity.contains(&log.severity) {
            differences.push(format!("is documented as {:?}", event.severity));
        }
        Some((&event.by, &event.attributes))
    });
}

#[tokio::test]
async fn all_signals_of_a_service_share_one_documented_resource() {
    let shop = driven().await;
    let documented = registry().resource;
    for service in SERVICES {
        shop.series("process.uptime", service).eventually();
        let spans = shop.sink.spans().into_iter().map(|s| s.resource);
        let logs = shop.sink.logs().into_iter().map(|l| l.resource);
        let points = shop.sink.metrics().into_iter().map(|p| p.resource);
        let mut resources = BTreeSet::new();
        for resource in spans.chain(logs).chain(points) {
            if resource.text("service.name") == Some(service) {
                let differences = attribute_differences(&resource, &documented);
                assert!(differences.is_empty(), "{service}: {differences:?}");
                let pairs = resource.0.iter();
                let pairs = pairs.map(|(key, value)| format!("{key}={value}"));
                resources.insert(BTreeSet::from_iter(pairs));
            }
        }
        assert_eq!(resources.len(), 1, "{service}: {resources:#?}");
    }
}

/// A shop in which everything that happens quickly has happened.
async fn driven() -> Shop {
    let shop = Shop::start();
    let product = shop.product().await;
    let traced = shop
        .order_request(&product.id, 1)
        .header("traceparent", "rubbish")
        .header("idempotency-key", "a");
    let mut replies = vec![Reply::of(traced).await];
    for scenario in ["normal", "product-error", "out-of-stock"] {
        replies.push(shop.scenario(scenario).await);
    }
    let unknown = ["/api/nowhere", "/api/products/none"];
    for path in ["/", "/healthz", "/readyz"].into_iter().chain(unknown) {
        replies.push(shop.get(path).await);
    }
    replies.push(shop.order(&product.id, 0).await);
    for reply in replies {
        shop.whole_trace(&reply.trace_id());
    }
    shop
}

/// The services and attributes that an item is documented with.
type Documented<'a> = Option<(&'a [String], &'a [AttributeRef])>;

/// Fails with all differences of all items, each once. `find` looks an item up and adds the differences that only items
/// of its signal can have.
#[track_caller]
fn expect_documented<'a, T: Item>(
    items: &[T],
    find: impl Fn(&T, &mut Vec<String>) -> Documented<'a>,
) {
    let mut all = BTreeSet::new();
    for item in items {
        let service = item.resource().text("service.name").unwrap_or_default();
        let mut differences = Vec::new();
        match find(item, &mut differences) {
            None => differences.push("is not documented".to_owned()),
            Some((by, attributes)) => {
                differences.extend(attribute_differences(item.attributes(), attributes));
                if !by.iter().any(|by| by == service) {
                    differences.push(format!("is documented for {by:?}"));
                }
            }
        }
        let title = format!("{} of {service}", item.title());
        all.extend(differences.iter().map(|text| format!("{title}: {text}")));
    }
    assert!(all.is_empty(), "{all:#?}");
}

fn documented_metric<'a>(
    registry: &'a Registry,
    point: &Point,
    differences: &mut Vec<String>,
) -> Documented<'a> {
    let metric = registry.metric(&point.name)?;
    let instrument = match point.kind {
        PointKind::Counter => Some(Instrument::Counter),
        PointKind::UpDownCounter => Some(Instrument::UpDownCounter),
        PointKind::Gauge => Some(Instrument::Gauge),
        PointKind::Histogram => Some(Instrument::Histogram),
        PointKind::ExponentialHistogram | PointKind::Summary => None,
    };
    if instrument != Some(metric.instrument) || point.unit != metric.unit {
        let (instrument, unit) = (metric.instrument, &metric.unit);
        differences.push(format!("is documented as {instrument} of {unit}"));
    }
    if !matches!(point.temporality, None | Some(Temporality::Cumulative)) {
        differences.push(format!("is {:?}", point.temporality));
    }
    let mut routes = registry.routes_of(point.service());
    let route = point.attributes.text("http.route");
    if route.is_some_and(|route| !routes.any(|known| known == route)) {
        differences.push(format!("the route {route:?} is not documented"));
    }
    Some((&metric.by, &metric.attributes))
}

fn documented_span<'a>(
    registry: &'a Registry,
    span: &Span,
    differences: &mut Vec<String>,
) -> Documented<'a> {
    let known = if span.kind == Kind::Internal {
        let mut known = registry.business_spans();
        known.find(|known| known.name == span.name)
    } else {
        if !registry.is_edge_name(&span.name, |key| span.attributes.text(key)) {
            differences.push("its attributes require another name".to_owned());
        }
        registry.spans.iter().find(|known| {
            let required = known.attributes.iter().filter(|used| used.is_required);
            let required: Vec<_> = required.map(|used| &used.name).collect();
            known.kind.to_string() == span.kind.to_string()
                && !required.is_empty()
                && required.iter().all(|key| span.attributes.contains_key(key))
        })
    };
    known.map(|known| (&*known.by, &*known.attributes))
}

/// Attributes and values that are not documented, and required attributes that are missing.
fn attribute_differences(found: &Attributes, documented: &[AttributeRef]) -> Vec<String> {
    let mut differences = Vec::new();
    for key in found.keys() {
        let value = found.text(key).unwrap_or_default();
        match documented.iter().find(|used| used.name == key) {
            None => differences.push(format!("the attribute {key} is not documented")),
            Some(used) if used.values.is_empty() || used.values.iter().any(|v| v == value) => {}
            Some(used) => {
                differences.push(format!("{key} is {value:?}, not one of {:?}", used.values));
            }
        }
    }
    let required = documented.iter().filter(|used| used.is_required);
    let missing = required.filter(|used| !found.contains_key(&used.name));
    differences.extend(missing.map(|used| format!("{} is missing", used.name)));
    differences
}
