//! What leaves the services is what `TELEMETRY.md` promises: nothing else, and all of it.

use std::collections::{BTreeMap, BTreeSet};

use telemetry_testing::{Kind, Point, PointKind, Temporality, poll};

use crate::shop::{SERVICES, Shop};

const CONTRACT: &str = include_str!("../../../telemetry/TELEMETRY.md");

/// A table row by column title, cells as they stand.
type Row = BTreeMap<String, String>;

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_arrives() {
    let shop = driven().await;
    let documented: BTreeMap<_, _> = rows("Metrics", "metric")
        .into_iter()
        .map(|row| (name(&row), row))
        .collect();
    poll("every documented metric of every service", || {
        let points = shop.sink.latest_metrics();
        let missing: Vec<_> = documented
            .iter()
            .flat_map(|(metric, row)| by(row).into_iter().map(move |service| (service, metric)))
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
        match documented.get(&point.name) {
            Some(row) => wrong.extend(differences(&point, row)),
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
    let outcomes = rows("Metrics", "attribute");
    for (metric, attribute, service) in [
        ("shop.orders", "shop.order.outcome", "order"),
        (
            "shop.inventory.reservations",
            "shop.reservation.outcome",
            "inventory",
        ),
        ("otel_tower.context.ignored", "otel_tower.header", "gateway"),
        ("otel_tower.context.ignored", "otel_tower.header", "product"),
    ] {
        let row = outcomes
            .iter()
            .find(|row| quoted(&row["attribute"]) == [attribute]);
        let row = row.unwrap_or_else(|| panic!("no values of {attribute} are documented"));
        for value in quoted(&row["values"]) {
            let series = shop
                .sink
                .metric(metric)
                .service(service)
                .attribute(attribute, value.as_str());
            assert_eq!(series.eventually().value(), 0.0, "{metric} {value}");
        }
    }
}

#[tokio::test]
async fn every_span_name_is_documented() {
    let shop = driven().await;
    let business: BTreeMap<_, _> = rows("Spans", "span")
        .into_iter()
        .map(|row| (name(&row), by(&row)))
        .collect();
    let routes: BTreeSet<_> = routes("gateway")
        .into_iter()
        .chain(routes("product"))
        .collect();
    for span in shop.sink.spans() {
        let is_known = match span.kind {
            Kind::Internal => business
                .get(&span.name)
                .is_some_and(|by| by.contains(&span.service())),
            // A query is named after a statement and a table, a call after its method.
            Kind::Client if span.attributes.get("db.system.name").is_some() => {
                let part = |key| span.attributes.text(key).unwrap_or_default();
                span.name
                    == format!(
                        "{} {}",
                        part("db.operation.name"),
                        part("db.collection.name")
                    )
            }
            _ => match span.attributes.text("rpc.method") {
                Some(method) => span.name == method,
                None => span
                    .name
                    .split_once(' ')
                    .is_none_or(|(_, route)| routes.contains(route)),
            },
        };
        assert!(
            is_known,
            "{} {} of {} is not documented",
            span.kind,
            span.name,
            span.service()
        );
    }
    let seen: BTreeSet<_> = shop
        .sink
        .spans()
        .into_iter()
        .map(|span| span.name)
        .collect();
    let unseen: Vec<_> = business
        .keys()
        .filter(|name| !seen.contains(*name))
        .map(String::as_str)
        .collect();
    // Both need a reservation that is given up; `stock` brings them about.
    assert_eq!(
        unseen,
        ["inventory.release", "inventory.sweep", "order.release"]
    );
}

#[tokio::test]
async fn every_log_event_is_documented_with_its_severity_and_service() {
    let shop = driven().await;
    shop.sink.log().event("gateway.request.failed").eventually();
    let documented: BTreeMap<_, _> = rows("Log events", "event")
        .into_iter()
        .map(|row| (name(&row), row))
        .collect();
    for log in shop.sink.logs() {
        let Some(event) = log.event() else { continue };
        let row = documented
            .get(event)
            .unwrap_or_else(|| panic!("{event} is not documented"));
        assert!(
            by(row).contains(&log.service()),
            "{event} comes from {}",
            log.service()
        );
        let severity = &row["severity"];
        let is_right = severity == "its own" || severity.split(", ").any(|s| s == log.severity);
        assert!(is_right, "{event} is {severity}, not {}", log.severity);
    }
}

#[tokio::test]
async fn all_signals_of_a_service_share_one_documented_resource() {
    let shop = driven().await;
    let section = section("Resource");
    let documented: BTreeSet<_> = quoted(section).into_iter().collect();
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
                for key in resource.keys() {
                    let is_documented =
                        documented.contains(key) || key.starts_with("telemetry.sdk.");
                    assert!(is_documented, "resource attribute {key} is not documented");
                }
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
    let mut replies = vec![shop.send(traced).await];
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

/// Where a point is not what its row says.
fn differences(point: &Point, row: &Row) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |what: &str, there: String, wanted: String| {
        if there != wanted {
            wrong.push(format!(
                "{} of {}: {what} is {there}, documented is {wanted}",
                point.name,
                point.service()
            ));
        }
    };
    let kind = match point.kind {
        PointKind::Counter => "counter",
        PointKind::UpDownCounter => "updowncounter",
        PointKind::Gauge => "gauge",
        PointKind::Histogram => "histogram",
        PointKind::ExponentialHistogram | PointKind::Summary => "none we use",
    };
    expect("the instrument", kind.to_owned(), row["instrument"].clone());
    expect(
        "the unit",
        point.unit.clone(),
        quoted(&row["unit"]).concat(),
    );
    let cumulative = matches!(point.temporality, None | Some(Temporality::Cumulative));
    expect("cumulative", cumulative.to_string(), true.to_string());
    if !by(row).contains(&point.service()) {
        expect("the service", point.service().to_owned(), row["by"].clone());
    }
    let documented = quoted(&row["attributes"]);
    for key in point
        .attributes
        .keys()
        .filter(|key| !documented.iter().any(|known| known == key))
    {
        expect("an attribute", key.to_owned(), documented.join(", "));
    }
    if let Some(route) = point.attributes.text("http.route")
        && !routes(point.service()).contains(route)
    {
        expect(
            "a route",
            route.to_owned(),
            "in the list of routes".to_owned(),
        );
    }
    wrong
}

/// The text under a heading of the second level.
fn section(heading: &str) -> &'static str {
    let start = format!("\n## {heading}\n");
    let (_, after) = CONTRACT
        .split_once(&start)
        .unwrap_or_else(|| panic!("no section {heading}"));
    after.split("\n## ").next().unwrap()
}

/// The rows of the table in a section whose first column has that title.
fn rows(heading: &str, first: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut titles: Vec<&str> = Vec::new();
    for line in section(heading).lines() {
        let Some(line) = line.strip_prefix('|') else {
            titles.clear();
            continue;
        };
        let cells: Vec<_> = line
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        if titles.is_empty() {
            titles = cells;
        } else if !line.starts_with("---") && titles[0] == first {
            rows.push(
                titles
                    .iter()
                    .zip(cells)
                    .map(|(t, c)| ((*t).to_owned(), c.to_owned()))
                    .collect(),
            );
        }
    }
    assert!(!rows.is_empty(), "no table of {first} under {heading}");
    rows
}

/// The first cell that is quoted.
fn name(row: &Row) -> String {
    let cell = ["metric", "span", "event"]
        .iter()
        .find_map(|title| row.get(*title))
        .unwrap();
    quoted(cell).remove(0)
}

fn by(row: &Row) -> Vec<&'static str> {
    let named =
        |service: &&str| row["by"] == "all" || row["by"].split(", ").any(|name| name == *service);
    SERVICES.into_iter().filter(named).collect()
}

fn routes(service: &str) -> BTreeSet<String> {
    let start = format!("Routes of {service}: ");
    let line = CONTRACT.lines().find_map(|line| {
        line.strip_prefix(&start)
            .or_else(|| line.strip_prefix(&format!("Routes of the {service}: ")))
    });
    line.map(quoted).unwrap_or_default().into_iter().collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
