//! What leaves the services is what the registry of `contract` documents: all of it, and nothing else.

use std::collections::BTreeSet;

use contract::{AttributeRef, Instrument, Metric, Registry};
use telemetry_testing::{Attributes, Kind, Point, PointKind, Temporality, poll};

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
    poll("every documented metric of every service", || {
        let points = shop.sink.latest_metrics();
        let missing: Vec<_> = registry
            .metrics
            .iter()
            .flat_map(|metric| metric.by.iter().map(move |service| (service, &metric.name)))
            .filter(|(service, metric)| {
                !points
                    .iter()
                    .any(|p| p.service() == *service && p.name == **metric)
            })
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing)
        }
    });
    let mut wrong = BTreeSet::new();
    for point in shop.sink.latest_metrics() {
        match registry.metric(&point.name) {
            Some(metric) => wrong.extend(differences(&point, metric, &registry)),
            None => drop(wrong.insert(format!(
                "{} of {} is not documented",
                point.name,
                point.service()
            ))),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn known_outcomes_are_exported_as_zero_before_the_first() {
    let shop = Shop::start();
    let registry = registry();
    let counters = registry
        .metrics
        .iter()
        .filter(|metric| metric.instrument == Instrument::Counter);
    let mut seen = 0;
    for metric in counters {
        let [used] = &*metric.attributes else {
            continue;
        };
        // Values that upstream enumerates are not outcomes.
        let Some(attribute) = registry.attribute(&used.name) else {
            continue;
        };
        for (service, value) in metric.by.iter().flat_map(|service| {
            let values = attribute.values.iter();
            values.map(move |value| (service, value))
        }) {
            let series = shop.sink.metric(&metric.name).service(service);
            let series = series.attribute(&used.name, value.as_str()).eventually();
            assert_eq!(series.value(), 0.0, "{} {value} of {service}", metric.name);
            seen += 1;
        }
    }
    assert!(seen > 0, "no counter has enumerated outcomes");
}

#[tokio::test]
async fn every_span_is_documented_with_its_service_and_attributes() {
    let shop = driven().await;
    let registry = registry();
    let mut wrong = BTreeSet::new();
    for span in shop.sink.spans() {
        let service = span.service();
        let name = format!("{} {} of {service}", span.kind, span.name);
        let documented = match span.kind {
            Kind::Internal => registry
                .business_spans()
                .find(|documented| documented.name == span.name),
            _ => {
                let attribute = |key: &str| span.attributes.text(key);
                if !registry.is_edge_name(&span.name, attribute) {
                    wrong.insert(format!("{name}: its attributes do not give it that name"));
                }
                let of_kind = registry
                    .spans
                    .iter()
                    .filter(|documented| documented.kind.to_string() == span.kind.to_string());
                let has = |used: &AttributeRef| span.attributes.get(&used.name).is_some();
                of_kind
                    .filter(|documented| documented.attributes.iter().any(|used| used.is_required))
                    .find(|documented| {
                        let mut required = documented.attributes.iter().filter(|a| a.is_required);
                        required.all(has)
                    })
            }
        };
        match documented {
            None => drop(wrong.insert(format!("{name} is not documented"))),
            Some(documented) => {
                if !documented.by.iter().any(|by| by == service) {
                    wrong.insert(format!("{name} is documented for {:?}", documented.by));
                }
                for problem in attribute_differences(&span.attributes, &documented.attributes) {
                    wrong.insert(format!("{name}: {problem}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let spans = shop.sink.spans();
    let seen: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let unseen: Vec<_> = registry.span_names().difference(&seen).copied().collect();
    // Both need a reservation that is given up; `stock` makes the services emit them.
    assert_eq!(
        unseen,
        ["inventory.release", "inventory.sweep", "order.release"]
    );
}

#[tokio::test]
async fn every_log_event_is_documented_with_its_severity_service_and_attributes() {
    let shop = driven().await;
    shop.sink.log().event("gateway.request.failed").eventually();
    let registry = registry();
    let mut wrong = BTreeSet::new();
    for log in shop.sink.logs() {
        let Some(event) = log.event() else { continue };
        let name = format!("{event} of {}", log.service());
        let Some(documented) = registry.event(event) else {
            wrong.insert(format!("{name} is not documented"));
            continue;
        };
        if !documented.by.iter().any(|service| service == log.service()) {
            wrong.insert(format!("{name} is documented for {:?}", documented.by));
        }
        let severities = &documented.severity;
        if !severities.is_empty() && !severities.contains(&log.severity) {
            wrong.insert(format!("{name} is {}, not {severities:?}", log.severity));
        }
        for problem in attribute_differences(&log.attributes, &documented.attributes) {
            wrong.insert(format!("{name}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn all_signals_of_a_service_share_one_documented_resource() {
    let shop = driven().await;
    let documented = registry().resource;
    for service in SERVICES {
        shop.sink
            .metric("process.uptime")
            .service(service)
            .eventually();
        let spans = shop.sink.spans().into_iter().map(|s| s.resource);
        let logs = shop.sink.logs().into_iter().map(|l| l.resource);
        let points = shop.sink.metrics().into_iter().map(|p| p.resource);
        let all = spans
            .chain(logs)
            .chain(points)
            .filter(|r| r.text("service.name") == Some(service));
        let texts: BTreeSet<_> = all
            .map(|resource| {
                let differences = attribute_differences(&resource, &documented);
                assert!(differences.is_empty(), "{service}: {differences:?}");
                let mut pairs: Vec<_> = resource
                    .0
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                pairs.sort();
                pairs
            })
            .collect();
        assert_eq!(
            texts.len(),
            1,
            "{service} has more than one resource: {texts:#?}"
        );
    }
}

/// A shop in which all that can be had quickly has happened.
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
    for path in [
        "/",
        "/api/nowhere",
        "/healthz",
        "/readyz",
        "/api/products/none",
    ] {
        replies.push(shop.get(path).await);
    }
    replies.push(shop.order(&product.id, 0).await);
    for reply in replies {
        shop.whole_trace(&reply.trace_id());
    }
    shop
}

/// Where a point is not what its metric is documented as.
fn differences(point: &Point, metric: &Metric, registry: &Registry) -> Vec<String> {
    let service = point.service();
    let name = format!("{} of {service}", point.name);
    let mut wrong: Vec<_> = attribute_differences(&point.attributes, &metric.attributes)
        .into_iter()
        .map(|problem| format!("{name}: {problem}"))
        .collect();
    let mut expect = |holds: bool, problem: String| {
        if !holds {
            wrong.push(format!("{name}: {problem}"));
        }
    };
    let is_instrument = match point.kind {
        PointKind::Counter => metric.instrument == Instrument::Counter,
        PointKind::UpDownCounter => metric.instrument == Instrument::UpDownCounter,
        PointKind::Gauge => metric.instrument == Instrument::Gauge,
        PointKind::Histogram => metric.instrument == Instrument::Histogram,
        PointKind::ExponentialHistogram | PointKind::Summary => false,
    };
    expect(
        is_instrument,
        format!("is a {:?}, not a {}", point.kind, metric.instrument),
    );
    let units = format!("the unit is {}, not {}", point.unit, metric.unit);
    expect(point.unit == metric.unit, units);
    expect(
        matches!(point.temporality, None | Some(Temporality::Cumulative)),
        "is not cumulative".to_owned(),
    );
    expect(
        metric.by.iter().any(|by| by == service),
        format!("is documented for {:?}", metric.by),
    );
    if let Some(route) = point.attributes.text("http.route") {
        expect(
            registry.routes_of(service).any(|known| known == route),
            format!("the route {route} is not documented"),
        );
    }
    wrong
}

/// Attributes and values that are not documented, and required attributes that are missing.
fn attribute_differences(found: &Attributes, documented: &[AttributeRef]) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in found.keys() {
        match documented.iter().find(|used| used.name == key) {
            None => wrong.push(format!("the attribute {key} is not documented")),
            Some(used) if used.values.is_empty() => {}
            Some(used) => {
                let value = found.text(key).unwrap_or_default();
                if !used.values.iter().any(|known| known == value) {
                    wrong.push(format!("{key} is {value:?}, not one of {:?}", used.values));
                }
            }
        }
    }
    for used in documented.iter().filter(|used| used.is_required) {
        if found.get(&used.name).is_none() {
            wrong.push(format!("the required attribute {} is missing", used.name));
        }
    }
    wrong
}
