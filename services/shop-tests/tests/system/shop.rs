//! Four real services wired to each other and to a sink, one set per test: each test has its own stock and its own telemetry.

use std::path::PathBuf;

use contract::{attributes, metrics};
use telemetry_testing::{Child, Exit, Kind, Matcher, Point, Sink, Span, Trace, poll, tree};
use tokio::sync::{Mutex, MutexGuard};

use crate::http::{self, Reply};

/// In the order in which they start: each after the services that it calls.
pub(crate) const SERVICES: [&str; 4] = ["inventory", "product", "order", "gateway"];

/// A trace and the span in it from which a caller outside the shop sends its requests.
pub(crate) const CALLER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const CALLER_SPAN: &str = "b7ad6b7169203331";
pub(crate) const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Short, so that a test waits for a batch or an interval and not for the defaults of production.
const FAST: [(&str, &str); 4] = [
    ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "50"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
    ("SHOP_FAULTS", "on"),
];

pub(crate) struct Shop {
    pub(crate) sink: Sink,
    children: Vec<(&'static str, Child)>,
    http: reqwest::Client,
}

/// The settings that a shop is started with.
#[derive(Default)]
pub(crate) struct Plan {
    settings: Vec<(&'static str, String)>,
    sink: Option<Sink>,
}

/// A product as the gateway lists it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) available: i64,
    /// Minor units.
    pub(crate) price: i64,
}

// === impl Plan ===

impl Plan {
    /// A variable for all four; each ignores what only another service reads.
    pub(crate) fn set(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((variable, value.into()));
        self
    }

    /// Exports to this sink, whatever state it is in.
    pub(crate) fn sink(mut self, sink: Sink) -> Self {
        self.sink = Some(sink);
        self
    }

    pub(crate) fn start(self) -> Shop {
        let sink = self.sink.unwrap_or_else(Sink::start);
        let mut env: Vec<(&str, String)> = FAST.map(|(key, value)| (key, value.to_owned())).into();
        env.push(("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()));
        env.extend(self.settings);
        let mut children = Vec::new();
        // inventory and product call no other service: they start at the same time.
        for name in ["inventory", "product"] {
            children.push((name, Child::spawn(&binary(name), &env)));
        }
        let url = |child: &Child| format!("http://{}", child.listening());
        env.push(("SHOP_INVENTORY_URL", url(&children[0].1)));
        env.push(("SHOP_PRODUCT_URL", url(&children[1].1)));
        children.push(("order", Child::spawn(&binary("order"), &env)));
        env.push(("SHOP_ORDER_URL", url(&children[2].1)));
        children.push(("gateway", Child::spawn(&binary("gateway"), &env)));
        children[3].1.listening();
        Shop {
            sink,
            children,
            http: http::client(),
        }
    }
}

// === impl Shop ===

impl Shop {
    pub(crate) fn start() -> Self {
        Plan::default().start()
    }

    pub(crate) fn child(&self, name: &str) -> &Child {
        &self.children.iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// Takes a service out, to stop or kill it.
    pub(crate) fn take(&mut self, name: &str) -> Child {
        let at = self.children.iter().position(|(n, _)| *n == name);
        self.children.remove(at.unwrap()).1
    }

    /// SIGTERM to each once the service that calls it has ended.
    pub(crate) fn stop_callers_first(&mut self) -> Vec<(&'static str, Exit)> {
        let end = |(name, child): (&'static str, Child)| {
            child.terminate();
            (name, child.wait())
        };
        self.children.drain(..).rev().map(end).collect()
    }

    /// SIGTERM to all at once, then the end of each.
    pub(crate) fn stop(&mut self) -> Vec<(&'static str, Exit)> {
        for (_, child) in &self.children {
            child.terminate();
        }
        let ends = self.children.drain(..).rev();
        ends.map(|(name, child)| (name, child.wait())).collect()
    }

    /// The series of a metric of one service.
    pub(crate) fn series(&self, metric: &str, service: &str) -> Matcher<Point> {
        self.sink.metric(metric).service(service)
    }

    /// The series of the orders with that outcome.
    pub(crate) fn orders(&self, outcome: &str) -> Matcher<Point> {
        let orders = self.series(metrics::ORDERS, "order").unit("{order}");
        orders.attribute(attributes::ORDER_OUTCOME, outcome)
    }

    /// The series of the reservations with that outcome.
    pub(crate) fn reservations(&self, outcome: &str) -> Matcher<Point> {
        let reservations = self.series(metrics::INVENTORY_RESERVATIONS, "inventory");
        reservations.attribute(attributes::RESERVATION_OUTCOME, outcome)
    }

    /// Waits until a service has ignored that context header this many times.
    #[track_caller]
    pub(crate) fn expect_ignored(&self, service: &str, header: &str, times: f64) {
        let ignored = self.series("otel_tower.context.ignored", service);
        expect_total(&ignored.attribute("otel_tower.header", header), times);
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.request("POST", path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.child("gateway").listening());
        self.http.request(method.parse().unwrap(), url)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request("GET", path)).await
    }

    /// An order of one line, not sent yet.
    pub(crate) fn order_request(&self, product: &str, quantity: i64) -> reqwest::RequestBuilder {
        self.post("/api/orders")
            .json(&http::basket(product, quantity))
    }

    pub(crate) async fn order(&self, product: &str, quantity: i64) -> Reply {
        Reply::of(self.order_request(product, quantity)).await
    }

    pub(crate) async fn scenario(&self, name: &str) -> Reply {
        Reply::of(self.post(&format!("/api/scenarios/{name}"))).await
    }

    /// All products.
    pub(crate) async fn catalogue(&self) -> Vec<Product> {
        let reply = self.get("/api/products").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let products = reply.body["products"].as_array().unwrap();
        let product = |json: &serde_json::Value| Product {
            id: json["id"].as_str().unwrap().to_owned(),
            available: json["available"].as_i64().unwrap(),
            price: json["price"]["amount"].as_i64().unwrap(),
        };
        products.iter().map(product).collect()
    }

    /// The product with the most stock.
    pub(crate) async fn product(&self) -> Product {
        let all = self.catalogue().await.into_iter();
        all.max_by_key(|product| product.available).unwrap()
    }

    /// The stock of a product.
    pub(crate) async fn available(&self, id: &str) -> i64 {
        let mut all = self.catalogue().await.into_iter();
        all.find(|product| product.id == id).unwrap().available
    }

    /// Waits until the trace is the golden tree `checks/trees/NAME.txt`, which `verify` compares with the trace store too.
    #[track_caller]
    pub(crate) fn expect_tree(&self, trace_id: &str, name: &str) {
        let trees = concat!(env!("CARGO_MANIFEST_DIR"), "/../../checks/trees");
        let golden = std::fs::read_to_string(format!("{trees}/{name}.txt")).unwrap();
        poll(&format!("the span tree {name}"), || {
            let received = self.sink.trace(trace_id);
            let mut spans: Vec<checks::tree::Span> = received.iter().map(From::from).collect();
            for span in &mut spans {
                span.parent.take_if(|parent| parent.as_str() == CALLER_SPAN);
            }
            let compared = checks::tree::compare(&golden, &spans);
            compared.map_err(|error| format!("{error} in:\n{}", tree::render(&received)))
        });
    }

    /// Waits until nothing of the trace is missing, and returns it.
    #[track_caller]
    pub(crate) fn whole_trace(&self, trace_id: &str) -> Vec<Span> {
        poll(&format!("all of trace {trace_id}"), || {
            self.complete_trace(trace_id)
        })
    }

    /// The trace as received so far; an error that names what is missing in it.
    pub(crate) fn complete_trace(&self, trace_id: &str) -> Result<Vec<Span>, String> {
        let spans = self.sink.trace(trace_id);
        match missing(&Trace::new(spans.clone())) {
            None => Ok(spans),
            Some(missing) => Err(format!("{missing} in:\n{}", tree::render(&spans))),
        }
    }
}

/// What a trace lacks: its root at the gateway, a parent, or the server span of a call that a service answered.
fn missing(trace: &Trace) -> Option<String> {
    match trace.roots().as_slice() {
        [root] if root.kind == Kind::Server && root.service() == "gateway" => {}
        roots => return Some(format!("{} roots, expected the gateway's", roots.len())),
    }
    if let Some(orphan) = trace.orphans().first() {
        return Some(format!("no parent of {}", orphan.title()));
    }
    let is_cut = |span: &&Span| was_served(span) && trace.children(&span.span_id).next().is_none();
    let cut = trace.spans.iter().find(is_cut);
    cut.map(|span| format!("no server span below {}", span.title()))
}

/// Whether a call has a status that only the other service can have returned.
fn was_served(call: &Span) -> bool {
    const BY_THE_SERVER: &str = "OK INVALID_ARGUMENT NOT_FOUND FAILED_PRECONDITION INTERNAL";
    let rpc = call.attributes.text("rpc.response.status_code");
    call.kind == Kind::Client
        && (call.attributes.contains_key("http.response.status_code")
            || rpc.is_some_and(|code| BY_THE_SERVER.split(' ').any(|status| status == code)))
}

/// Waits until the newest values of all matching series add up to `wanted`.
#[track_caller]
pub(crate) fn expect_total(series: &Matcher<Point>, wanted: f64) {
    poll(&format!("{series:?} to be {wanted} in total"), || {
        series.total_is(wanted)
    });
}

/// In the directory of the test executable, where `cargo test --workspace` builds them before it runs a test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join(name)
}

/// Tests that measure time, or load all cores, do not run at the same time.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}
