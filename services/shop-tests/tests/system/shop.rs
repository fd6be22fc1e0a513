//! Four real services wired to each other and to a sink, one set per test: each test has its own stock and its own telemetry.

use std::path::PathBuf;

use contract::{attributes, metrics};
use telemetry_testing::{Child, Exit, Matcher, Point, Sink, Span, poll, tree};
use tokio::sync::{Mutex, MutexGuard};

use crate::http::{self, Reply};
use crate::trace;

/// In the order in which they start: who is called comes before who calls.
pub(crate) const SERVICES: [&str; 4] = ["inventory", "product", "order", "gateway"];

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

/// What a shop is started with.
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
    /// A variable for all four; each ignores what only a sibling reads.
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
        // inventory and product know nobody: they start while the other does.
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
        let child = self.children.iter().find(|(n, _)| *n == name);
        child.map(|(_, child)| child).unwrap()
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

    /// The series of the orders that ended in this way.
    pub(crate) fn orders(&self, outcome: &str) -> Matcher<Point> {
        let orders = self.sink.metric(metrics::ORDERS).unit("{order}");
        orders
            .service("order")
            .attribute(attributes::ORDER_OUTCOME, outcome)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.child("gateway").listening())
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        Reply::of(request).await
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.post(self.url(path))
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.http.get(self.url(path))).await
    }

    /// An order of one line, not sent yet.
    pub(crate) fn order_request(&self, product: &str, quantity: i64) -> reqwest::RequestBuilder {
        self.post("/api/orders")
            .json(&http::basket(product, quantity))
    }

    pub(crate) async fn order(&self, product: &str, quantity: i64) -> Reply {
        self.send(self.order_request(product, quantity)).await
    }

    pub(crate) async fn scenario(&self, name: &str) -> Reply {
        self.send(self.post(&format!("/api/scenarios/{name}")))
            .await
    }

    /// What is for sale.
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

    /// The product of which there is most.
    pub(crate) async fn product(&self) -> Product {
        let all = self.catalogue().await;
        all.into_iter()
            .max_by_key(|product| product.available)
            .unwrap()
    }

    /// How much there is of a product.
    pub(crate) async fn available(&self, id: &str) -> i64 {
        let all = self.catalogue().await;
        all.into_iter()
            .find(|product| product.id == id)
            .unwrap()
            .available
    }

    /// Waits until the trace is exactly this tree.
    #[track_caller]
    pub(crate) fn expect_tree(&self, trace_id: &str, expected: &str) {
        let expected = expected.trim_start_matches('\n');
        poll("the expected span tree", || {
            let there = tree::render(&self.sink.trace(trace_id));
            if there == expected {
                Ok(())
            } else {
                Err(format!("expected:\n{expected}\nthere:\n{there}"))
            }
        });
    }

    /// Waits until nothing of the trace is missing, and gives it.
    #[track_caller]
    pub(crate) fn whole_trace(&self, trace_id: &str) -> Vec<Span> {
        poll(&format!("all of trace {trace_id}"), || {
            let spans = self.sink.trace(trace_id);
            match trace::missing(&spans) {
                None => Ok(spans),
                Some(missing) => Err(format!("{missing} in:\n{}", tree::render(&spans))),
            }
        })
    }
}

/// Beside the test executable, where `cargo test --workspace` builds them before it runs a test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join(name)
}

/// Tests that measure time, or load all cores, do not run beside each other.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}
