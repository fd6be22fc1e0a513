//! The expectation table: everything that must be true of the running system, one row per claim.
//!
//! Queries stand as an operator would type them. Ids of the drive are filled in, so that a failed row can be pasted.

use crate::claim::Amount::{Answers, AtLeast, Exactly, Spans};
use crate::claim::Response::{Problem, Status};
use crate::claim::Shape::{self, LinksCaller, NoError, OneTree, Slow};
use crate::claim::{Amount, Claim, Component, Lines, Node, Response, Row, Series, Signal, Whole};
use crate::drive::{Answer, Case, Driven};
use crate::trace::Kind::{Client, Internal, Server};

/// `maker "name": what is asked, what must come back;` for each row.
macro_rules! rows {
    ($($maker:ident $name:literal: $($part:expr),+;)*) => { vec![$($maker($name, $($part),+)),*] };
}

/// `"name": calling side, called side, a request that takes this way;` for each hop of the call graph.
macro_rules! edges {
    ($($name:literal: $client:expr, $server:expr, $case:ident;)*) => { &[$(($name, $client, $server, Case::$case)),*] };
}

pub const SERVICES: [&str; 4] = ["gateway", "product", "inventory", "order"];

const PLACE: &str = "shop.order.v1.OrderService/PlaceOrder";
const GET_ORDER: &str = "shop.order.v1.OrderService/GetOrder";
const STOCK: &str = "shop.inventory.v1.InventoryService/GetStock";
const RESERVE: &str = "shop.inventory.v1.InventoryService/Reserve";
const CONFIRM: &str = "shop.inventory.v1.InventoryService/Confirm";

const PLACE_SERVED: Node = Node("order", Server, PLACE);
const LOOKUP_CALLED: Node = Node("order", Client, "GET /products/{id}");
const LOOKUP_SERVED: Node = Node("product", Server, "GET /products/{id}");
const RESERVE_CALLED: Node = Node("order", Client, RESERVE);
const RESERVE_SERVED: Node = Node("inventory", Server, RESERVE);

const EDGES: &[(&str, Node, Node, Case)] = edges! {
    "gateway → product (HTTP), list": Node("gateway", Client, "GET /products"), Node("product", Server, "GET /products"), Catalogue;
    "gateway → product (HTTP)": Node("gateway", Client, "GET /products/{id}"), LOOKUP_SERVED, Product;
    "gateway → inventory (gRPC)": Node("gateway", Client, STOCK), Node("inventory", Server, STOCK), Product;
    "gateway → order (gRPC)": Node("gateway", Client, PLACE), PLACE_SERVED, Order;
    "gateway → order (gRPC), lookup": Node("gateway", Client, GET_ORDER), Node("order", Server, GET_ORDER), OrderLookup;
    "order → product (HTTP)": LOOKUP_CALLED, LOOKUP_SERVED, Order;
    "order → inventory (gRPC)": RESERVE_CALLED, RESERVE_SERVED, Order;
    "order → inventory (gRPC), confirmation": Node("order", Client, CONFIRM), Node("inventory", Server, CONFIRM), Order;
};

/// Edges of the service graph, which has no routes.
const CALLS: [(&str, &str); 5] = [
    ("gateway", "product"),
    ("gateway", "inventory"),
    ("gateway", "order"),
    ("order", "product"),
    ("order", "inventory"),
];
const WITH_DATABASE: [&str; 3] = ["product", "inventory", "order"];

/// Business spans, and a request that makes each.
const BUSINESS: [(&str, &str, Case); 12] = [
    ("gateway", "catalogue.join", Case::Product),
    ("gateway", "scenario.run", Case::Normal),
    ("order", "order.place", Case::Order),
    ("order", "order.price", Case::Order),
    ("order", "order.reserve", Case::Order),
    ("order", "order.store", Case::Order),
    ("order", "order.confirm", Case::Order),
    ("order", "order.release", Case::InventoryTimeout),
    ("product", "product.lookup", Case::Order),
    ("inventory", "inventory.reserve", Case::Order),
    ("inventory", "inventory.confirm", Case::Order),
    ("inventory", "inventory.release", Case::InventoryTimeout),
];

/// What the public API answers to each request of the drive.
const RESPONSES: [(Case, Response); 25] = [
    (Case::Page, Status(200)),
    (Case::Live, Status(200)),
    (Case::Ready, Status(200)),
    (Case::Catalogue, Status(200)),
    (Case::Product, Status(200)),
    (Case::UnknownProduct, Problem(404)),
    (Case::OddProduct, Problem(404)),
    (Case::Unrouted, Problem(404)),
    (Case::Order, Status(201)),
    (Case::OrderLookup, Status(200)),
    (Case::UnknownOrder, Problem(404)),
    (Case::Repeated, Status(201)),
    (Case::KeyReused, Problem(422)),
    (Case::Malformed, Problem(400)),
    (Case::WrongType, Problem(415)),
    (Case::TooLarge, Problem(413)),
    (Case::BadQuantity, Problem(422)),
    (Case::UnknownItem, Problem(422)),
    // The baggage of this caller asks for product-error: it must have no effect.
    (Case::Outside, Status(201)),
    (Case::BrokenParent, Status(201)),
    (Case::Normal, Status(201)),
    (Case::ProductError, Status(502)),
    (Case::InventoryTimeout, Status(504)),
    (Case::LongRequest, Status(201)),
    (Case::OutOfStock, Status(409)),
];

/// Who tells what at which level, in which request.
const TOLD: [(Case, &str, &str, &str); 15] = [
    (Case::Normal, "order", "INFO", "order.placed"),
    (Case::Normal, "inventory", "INFO", "inventory.reserved"),
    (Case::ProductError, "product", "WARN", "fault.injected"),
    (
        Case::ProductError,
        "product",
        "ERROR",
        "product.lookup.failed",
    ),
    (Case::ProductError, "order", "ERROR", "order.failed"),
    (
        Case::ProductError,
        "gateway",
        "ERROR",
        "gateway.request.failed",
    ),
    (
        Case::InventoryTimeout,
        "inventory",
        "WARN",
        "fault.injected",
    ),
    (Case::InventoryTimeout, "order", "ERROR", "order.failed"),
    (Case::InventoryTimeout, "order", "INFO", "order.released"),
    (
        Case::InventoryTimeout,
        "gateway",
        "ERROR",
        "gateway.request.failed",
    ),
    (Case::LongRequest, "order", "INFO", "order.placed"),
    (Case::LongRequest, "product", "WARN", "fault.injected"),
    (Case::OutOfStock, "order", "INFO", "order.rejected"),
    (
        Case::OutOfStock,
        "inventory",
        "INFO",
        "inventory.reservation.rejected",
    ),
    (Case::UnknownItem, "order", "INFO", "order.rejected"),
];

/// Documented names that no request from outside brings about, and where they are proven instead.
pub const UNPROVOKED: [(&str, &str); 17] = [
    (
        "service.accept.failed",
        "needs a system out of descriptors: hosting's tests",
    ),
    (
        "service.connection.ended",
        "below the default level: hosting's tests",
    ),
    (
        "request.panicked",
        "no request makes a handler panic: hosting's tests",
    ),
    ("store.failed", "needs a broken disk"),
    (
        "order.unconfirmed",
        "needs inventory to end between two calls: order's tests",
    ),
    (
        "order.release.failed",
        "needs inventory to end between two calls: order's tests",
    ),
    (
        "catalogue.without_stock",
        "needs inventory to be down: gateway's tests",
    ),
    ("inventory.sweep", "runs by itself, in traces of its own"),
    (
        "inventory.reservation.expired",
        "needs a reservation that is 60 s old: inventory's tests",
    ),
    (
        "inventory.released",
        "needs an order that fails after its reservation: order's tests",
    ),
    (
        "service.started",
        "written before the run: a row of its own",
    ),
    ("service.listening", "written before the run"),
    ("service.stopping", "nothing is stopped: telemetry's tests"),
    ("service.stopped", "nothing is stopped: telemetry's tests"),
    (
        "catalogue.seeded",
        "once in the life of a database: product's tests",
    ),
    (
        "telemetry.diagnostic",
        "only when telemetry is unwell: telemetry's tests",
    ),
    (
        "library.message",
        "only when a library is unwell: telemetry's tests",
    ),
];

/// Rows that are judged before the drive.
pub fn gates() -> Vec<Row> {
    use Component::{Collector, Gateway, Loki, Prometheus, Tempo};
    rows! {
        whole "otel-collector answers": Whole::Ready(Collector);
        whole "prometheus answers": Whole::Ready(Prometheus);
        whole "loki answers": Whole::Ready(Loki);
        whole "tempo answers": Whole::Ready(Tempo);
        whole "gateway answers, and is ready with all it depends on": Whole::Ready(Gateway);
        whole "all Prometheus targets are UP": Whole::TargetsUp;
        series "the last scrape of every target worked": "up", Series::AllOne;
    }
}

/// Rows about counters: their queries are asked before the drive as well, for the baseline.
pub fn counters() -> Vec<Row> {
    let mut rows = rows! {
        rises "http_requests_total of gateway moves by the requests driven":
            r#"http_requests_total{service_name="gateway",http_route=~"/api/.*"}"#, Answers(Answer::is_api);
        rises "http_request_duration_seconds_bucket of gateway counts the same requests":
            r#"http_request_duration_seconds_bucket{service_name="gateway",http_route=~"/api/.*",le="+Inf"}"#, Answers(Answer::is_api);
        rises "http_requests_total of product moves by the requests seen in the traces":
            r#"http_requests_total{service_name="product",http_route=~"/products.*"}"#,
            Spans(|span| span.service() == "product" && span.name.starts_with("GET /products") && span.kind == Server);
        rises "http_request_duration_seconds_bucket of product counts the same requests":
            r#"http_request_duration_seconds_bucket{service_name="product",http_route=~"/products.*",le="+Inf"}"#,
            Spans(|span| span.service() == "product" && span.name.starts_with("GET /products") && span.kind == Server);
        rises "a request that no route matches is counted, without a route":
            r#"http_server_request_duration_seconds_count{service_name="gateway",http_route="",http_response_status_code="404"}"#, Exactly(1.0);
        rises "http.client.request.duration counts every CLIENT span over HTTP":
            r#"http_client_request_duration_seconds_count{service_name=~"gateway|order",url_template=~"/products.*"}"#,
            Spans(|span| span.kind == Client && span.name.starts_with("GET /products"));
        rises "rpc.client.call.duration counts every CLIENT span over gRPC":
            r#"rpc_client_call_duration_seconds_count{rpc_method=~"shop.*"}"#, Spans(|span| span.kind == Client && span.name.starts_with("shop."));
        rises "rpc.server.call.duration counts every SERVER span over gRPC":
            r#"rpc_server_call_duration_seconds_count{rpc_method=~"shop.*"}"#, Spans(|span| span.kind == Server && span.name.starts_with("shop."));
        rises "product-error: a 500 of product is counted":
            r#"http_server_request_duration_seconds_count{service_name="product",http_response_status_code="500"}"#, Exactly(1.0);
        rises "product-error: a 502 of gateway is counted":
            r#"http_server_request_duration_seconds_count{service_name="gateway",http_response_status_code="502"}"#, Exactly(1.0);
        rises "inventory-timeout: DEADLINE_EXCEEDED is counted at the caller":
            r#"rpc_client_call_duration_seconds_count{service_name="order",rpc_response_status_code="DEADLINE_EXCEEDED"}"#, Exactly(1.0);
        rises "inventory-timeout: a cancelled call is counted at the called":
            r#"rpc_server_call_duration_seconds_count{service_name="inventory",error_type="cancelled"}"#, Exactly(1.0);
        rises "long-request: its time is in http.server.request.duration":
            r#"http_server_request_duration_seconds_sum{service_name="product",http_route="/products/{id}"}"#, AtLeast(5.0);
        rises "out-of-stock: a 409 of gateway is counted":
            r#"http_server_request_duration_seconds_count{service_name="gateway",http_response_status_code="409"}"#, Exactly(1.0);
        rises "shop.orders placed moves by the orders placed":
            r#"shop_orders_total{shop_order_outcome="placed"}"#, Answers(is_placed);
        rises "shop.orders rejected moves by the one order above stock":
            r#"shop_orders_total{shop_order_outcome="rejected"}"#, Exactly(1.0);
        rises "shop.orders invalid moves by the orders that are none":
            r#"shop_orders_total{shop_order_outcome="invalid"}"#,
            Answers(|answer| matches!(answer.case, Case::KeyReused | Case::BadQuantity | Case::UnknownItem));
        rises "shop.orders failed moves by the two failed scenarios":
            r#"shop_orders_total{shop_order_outcome="failed"}"#, Exactly(2.0);
        rises "shop.orders cancelled moves by the one caller who left":
            r#"shop_orders_total{shop_order_outcome="cancelled"}"#, Exactly(1.0);
        rises "shop.order.value has a value per placed order":
            "shop_order_value_EUR_count", Answers(is_placed);
        rises "shop.inventory.reservations confirmed moves by the orders placed":
            r#"shop_inventory_reservations_total{shop_reservation_outcome="confirmed"}"#, Answers(is_placed);
        rises "shop.inventory.reservations rejected moves by the one order above stock":
            r#"shop_inventory_reservations_total{shop_reservation_outcome="rejected"}"#, Exactly(1.0);
        rises "otel_tower.context.ignored moves by the one broken traceparent":
            r#"otel_tower_context_ignored_total{service_name="gateway",otel_tower_header="traceparent"}"#, Exactly(1.0);
        rises "span metrics count the root spans of the orders":
            r#"traces_spanmetrics_calls_total{service_name="gateway",span_name="POST /api/orders",span_kind="SPAN_KIND_SERVER"}"#,
            Spans(|span| span.is("gateway", Server, "POST /api/orders"));
        rises "otel.sdk.exporter.span.exported: real outcomes, accepted":
            r#"otel_sdk_exporter_span_exported_total{error_type=""}"#, AtLeast(100.0);
        rises "otel.sdk.exporter.log.exported: real outcomes, accepted":
            r#"otel_sdk_exporter_log_exported_total{error_type=""}"#, AtLeast(10.0);
        rises "otel.sdk.exporter.metric_data_point.exported: real outcomes, accepted":
            r#"otel_sdk_exporter_metric_data_point_exported_total{error_type=""}"#, AtLeast(100.0);
    };
    for service in WITH_DATABASE {
        rows.push(rises(
            format!("db.client.operation.duration of {service} counts its queries"),
            format!(r#"db_client_operation_duration_seconds_count{{service_name="{service}"}}"#),
            AtLeast(1.0),
        ));
        rows.push(rises(
            format!("the service graph has the edge {service} → its database"),
            format!(r#"traces_service_graph_request_total{{client="{service}",connection_type="database"}}"#),
            AtLeast(1.0),
        ));
    }
    for (client, server) in CALLS {
        rows.push(rises(
            format!("the service graph has the edge {client} → {server}"),
            format!(r#"traces_service_graph_request_total{{client="{client}",server="{server}"}}"#),
            AtLeast(1.0),
        ));
    }
    rows
}

/// Rows that are polled while the drive's telemetry arrives.
pub fn arrivals(driven: &Driven) -> Vec<Row> {
    let mut rows = responses();
    rows.extend(signals(driven));
    rows.extend(call_graph());
    rows.extend(scenarios(driven));
    rows.extend(original(driven));
    rows
}

/// Rows that are judged once the others are: sums, and what must not be there.
pub fn closings() -> Vec<Row> {
    /// A series of failures begins with the first of them: `increase()` would not see that one.
    const FAILED_EXPORTS: &str = r#"count(
        ({__name__=~"otel_sdk_exporter_.*_exported_total",error_type!=""} > 0
            unless {__name__=~"otel_sdk_exporter_.*_exported_total",error_type!=""} offset 1m)
        or ({__name__=~"otel_sdk_exporter_.*_exported_total",error_type!=""}
            > on (__name__, service_name, instance, error_type)
            {__name__=~"otel_sdk_exporter_.*_exported_total",error_type!=""} offset 1m))"#;

    let mut rows = rows! {
        whole "both log lanes hold the same records with the same ids, none twice": Whole::LanesAreEqual;
        whole "lines outside spans are in both lanes: each service's start": Whole::StartIsInBothLanes;
        whole "trace_id and span_id are no Loki labels": Whole::IdsAreNoLabels;
        series "every series of the services has service_name": r#"count({job=~"shop/.*",service_name=""})"#, Series::Nothing;
        series "every series of the Collector's connectors has service_name":
            r#"count({__name__=~"traces_.*",service_name=""})"#, Series::Nothing;
        series "no export of any service failed in the last minute":
            FAILED_EXPORTS, Series::Nothing;
        series "no record was dropped from a log lane in the last minute": "sum(increase(shop_log_dropped_total[1m]))", Series::Nothing;
        series "nothing is in flight once the drive is over":
            r#"{__name__=~"http_server_active_requests|http_client_active_requests|rpc_server_active_calls|rpc_client_active_calls"}"#,
            Series::Nothing;
        whole "Collector: spans accepted = spans sent to the trace store": Whole::Conserved(Signal::Spans);
        whole "Collector: log records accepted = log records sent to Loki": Whole::Conserved(Signal::Logs);
        whole "Collector: metric points accepted = metric points sent to Prometheus": Whole::Conserved(Signal::Metrics);
        whole "Collector: nothing refused, failed or turned away from a queue": Whole::NothingRefused;
        whole "Collector: zpages list the pipelines": Whole::Pipelines;
        whole "every documented metric is emitted, with its unit and no other labels": Whole::DocumentedMetrics;
        whole "every emitted metric is documented": Whole::NoUndocumentedMetric;
        whole "documented spans = emitted spans": Whole::DocumentedSpans;
        whole "documented log events = emitted log events": Whole::DocumentedEvents;
    };
    rows.extend(resources::resources());
    for service in SERVICES {
        rows.push(whole(
            format!("{service} is connected to the Collector and its peers only (sockets)"),
            Whole::Sockets(service),
        ));
    }
    rows
}

fn responses() -> Vec<Row> {
    let mut rows: Vec<Row> = RESPONSES
        .iter()
        .map(|(case, holds)| {
            let (Status(status) | Problem(status)) = holds;
            let claim = Claim::Response {
                case: *case,
                holds: *holds,
            };
            row(format!("API: {case:?} answers {status}"), claim)
        })
        .collect();
    rows.extend(rows! {
        whole "API: every response carries traceresponse": Whole::TraceresponseEverywhere;
        whole "API: one idempotency key, one order": Whole::SameOrderForTheSameKey;
        whole "scenario page: the links of a run open what they name": Whole::LinksAnswer;
    });
    rows
}

/// Four services, three signals, two log lanes.
fn signals(driven: &Driven) -> Vec<Row> {
    // Gateway and product write no line about an order that goes well.
    let id = driven.trace_id(Case::ProductError).unwrap_or_default();
    let well = driven.trace_id(Case::Order).unwrap_or_default();
    let mut rows = Vec::new();
    for service in SERVICES {
        rows.push(search(
            format!("{service}: traces are found by service name"),
            format!(r#"{{ resource.service.name = "{service}" }}"#),
            vec![Case::Order, Case::Normal],
        ));
        for metric in [
            "process_uptime_seconds",
            "process_cpu_time_seconds_total",
            "process_memory_usage_bytes",
            "process_unix_file_descriptor_count",
        ] {
            rows.push(series(
                format!("{service}: alive by {metric}"),
                format!(r#"{metric}{{service_name="{service}"}}"#),
                Series::Fresh,
            ));
        }
        let id = if service == "inventory" { well } else { id };
        for (lane, labels) in [
            ("over OTLP", r#"lane="otlp""#),
            ("from its file", r#"lane="file",job="rust_app_logs""#),
        ] {
            rows.push(lines(
                format!("{service}: log lines {lane}, by trace id"),
                format!(r#"{{service_name="{service}",{labels}}} | trace_id="{id}""#),
                Lines::AtLeast(1),
            ));
        }
    }
    rows
}

fn call_graph() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, parent, child, case) in EDGES.iter().copied() {
        rows.push(trace(
            format!("edge {name}"),
            case,
            Shape::Edge { parent, child },
        ));
        rows.push(search(
            format!("edge {name}, by TraceQL"),
            format!(
                r#"{{ resource.service.name = "{}" && kind = client && name = "{}" }} > {{ resource.service.name = "{}" && kind = server }}"#,
                parent.0, parent.2, child.0
            ),
            vec![case],
        ));
    }
    for service in WITH_DATABASE {
        rows.push(trace(
            format!("edge {service} → its database"),
            Case::Order,
            Shape::Query { service },
        ));
    }
    for (service, name, case) in BUSINESS {
        let node = Node(service, Internal, name);
        rows.push(trace(
            format!("business span {name} of {service}"),
            case,
            Shape::Below { node },
        ));
    }
    rows.extend(rows! {
        trace "an order is one tree through four services, CLIENT and SERVER at every hop": Case::Order, OneTree { least: 12 };
        trace "scenario normal is one tree through four services": Case::Normal, OneTree { least: 12 };
        trace "an outside caller's trace is linked, not continued": Case::Outside, LinksCaller;
        trace "baggage from outside makes no fault": Case::Outside, NoError;
        whole "a request whose client leaves ends as cancelled at gateway and order": Whole::AbandonedIsCancelled;
        whole "exemplars of the span metrics lead to traces that exist": Whole::Exemplars;
    });
    rows
}

/// The five scenarios in spans and log lines; their statuses and metrics are with the others.
fn scenarios(driven: &Driven) -> Vec<Row> {
    let span = |node, attributes| Shape::Span {
        node,
        attributes,
        is_error: true,
    };
    let fine = |node, attributes| Shape::Span {
        node,
        attributes,
        is_error: false,
    };
    let mut rows = rows! {
        trace "normal: no span has an error": Case::Normal, NoError;
        trace "product-error: product's SERVER span is an error": Case::ProductError,
            span(LOOKUP_SERVED, &[("http.response.status_code", "500"), ("error.type", "500")]);
        trace "product-error: order's CLIENT span is an error": Case::ProductError, span(LOOKUP_CALLED, &[("error.type", "500")]);
        trace "product-error: order answers INTERNAL": Case::ProductError, span(PLACE_SERVED, &[("rpc.response.status_code", "INTERNAL")]);
        trace "inventory-timeout: DEADLINE_EXCEEDED on the CLIENT span": Case::InventoryTimeout,
            span(RESERVE_CALLED, &[("rpc.response.status_code", "DEADLINE_EXCEEDED")]);
        trace "inventory-timeout: the SERVER span is cancelled": Case::InventoryTimeout, span(RESERVE_SERVED, &[("error.type", "cancelled")]);
        trace "long-request: one slow span explains the time": Case::LongRequest, Slow { node: LOOKUP_SERVED, seconds: 5.0 };
        trace "long-request: no span has an error": Case::LongRequest, NoError;
        trace "out-of-stock: no span has an error": Case::OutOfStock, NoError;
        trace "out-of-stock: the reservation answers OK": Case::OutOfStock, fine(RESERVE_SERVED, &[("rpc.response.status_code", "OK")]);
        search "failed traces are found by status": "{ status = error }", vec![Case::ProductError, Case::InventoryTimeout];
        search "a slow trace is found by its duration": "{ traceDuration > 5s }", vec![Case::LongRequest];
    };
    for (case, service, level, event) in TOLD {
        let id = driven.trace_id(case).unwrap_or_default();
        rows.push(lines(
            format!("{case:?}: {service} tells {event} at {level}"),
            format!(r#"{{service_name="{service}",lane="otlp"}} | trace_id="{id}" | severity_text="{level}" | event_name="{event}""#),
            Lines::AtLeast(1),
        ));
    }
    for case in [Case::Normal, Case::OutOfStock, Case::LongRequest] {
        let id = driven.trace_id(case).unwrap_or_default();
        rows.push(lines(
            format!("{case:?}: nobody tells an error"),
            format!(r#"{{lane="otlp"}} | trace_id="{id}" | severity_text=~"ERROR|FATAL""#),
            Lines::None,
        ));
    }
    rows
}

/// The check list of the project this one re-imagines: its queries must answer.
fn original(driven: &Driven) -> Vec<Row> {
    let id = driven.trace_id(Case::Order).unwrap_or_default();
    rows! {
        lines r#"{job="rust_app_logs"} returns lines"#: r#"{job="rust_app_logs"}"#, Lines::AtLeast(1);
        lines "one trace id finds the lines of both lanes": format!(r#"{{service_name=~".+"}} | trace_id="{id}""#), Lines::AtLeast(4);
        whole r#"{job="containerlogs"} returns lines, each with its component"#: Whole::ContainerLabels;
        whole "Tempo answers /api/traces/{id}": Whole::TraceByOldAddress;
        search "a trace is opened by its id through TraceQL": format!(r#"{{ trace:id = "{id}" }}"#), vec![Case::Order];
    }
}

fn is_placed(answer: &Answer) -> bool {
    answer.status == 201 && answer.case != Case::Repeated
}

fn row(name: impl Into<String>, claim: Claim) -> Row {
    let name = name.into();
    Row { name, claim }
}

fn rises(name: impl Into<String>, promql: impl Into<String>, by: Amount) -> Row {
    let promql = promql.into();
    row(name, Claim::Rises { promql, by })
}

fn series(name: impl Into<String>, promql: impl Into<String>, holds: Series) -> Row {
    let promql = promql.into();
    row(name, Claim::Series { promql, holds })
}

fn lines(name: impl Into<String>, logql: impl Into<String>, holds: Lines) -> Row {
    let logql = logql.into();
    row(name, Claim::Lines { logql, holds })
}

fn search(name: impl Into<String>, traceql: impl Into<String>, finds: Vec<Case>) -> Row {
    let traceql = traceql.into();
    row(name, Claim::Search { traceql, finds })
}

fn trace(name: impl Into<String>, case: Case, shape: Shape) -> Row {
    row(name, Claim::Trace { case, shape })
}

fn whole(name: impl Into<String>, whole: Whole) -> Row {
    row(name, Claim::Whole(whole))
}

mod resources;
#[cfg(test)]
mod tests;
