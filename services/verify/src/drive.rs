//! Drives the shop through its public API: every request a claim is about, with what it answered.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::backend::root_cause;

/// Longer than the gateway's own limit, so that its answer is seen and not ours.
const PATIENCE: Duration = Duration::from_secs(30);
/// When the client of [`Case::Abandoned`] goes away; the fault takes 5 s.
const ABANDON_AFTER: Duration = Duration::from_secs(2);
/// The gateway's limit is 64 KiB.
const TOO_LARGE: usize = 80 * 1024;

/// One request of the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Case {
    Page,
    Live,
    Ready,
    Catalogue,
    Product,
    UnknownProduct,
    OddProduct,
    Unrouted,
    Order,
    OrderLookup,
    UnknownOrder,
    Repeated,
    KeyReused,
    Malformed,
    WrongType,
    TooLarge,
    BadQuantity,
    UnknownItem,
    Outside,
    BrokenParent,
    Normal,
    ProductError,
    InventoryTimeout,
    LongRequest,
    OutOfStock,
    /// The client leaves before the answer.
    Abandoned,
}

/// What the public API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub case: Case,
    /// The route the gateway is expected to name, `None` where no route matches.
    pub route: Option<&'static str>,
    /// 0 if the client went away first.
    pub status: u16,
    pub content_type: String,
    pub traceresponse: String,
    pub body: Value,
    pub began: SystemTime,
    pub took: Duration,
}

/// One run of the drive.
#[derive(Clone, Debug)]
pub struct Driven {
    /// Carried by the idempotency keys of this run's orders.
    pub marker: String,
    pub started: SystemTime,
    /// The trace the caller of [`Case::Outside`] claims to be in.
    pub outside_trace: String,
    /// Likewise of [`Case::Abandoned`], whose own trace id nobody is told.
    pub abandoned_trace: String,
    pub answers: Vec<Answer>,
}

/// One request to send.
struct Step {
    case: Case,
    method: reqwest::Method,
    route: Option<&'static str>,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    patience: Duration,
}

pub struct Driver {
    client: reqwest::Client,
    gateway: String,
}

const ORDERS: Option<&str> = Some("/api/orders");
const SCENARIOS: Option<&str> = Some("/api/scenarios/{name}");

// === impl Case ===

impl Case {
    pub const SCENARIOS: [(Self, &'static str); 5] = [
        (Self::Normal, "normal"),
        (Self::ProductError, "product-error"),
        (Self::InventoryTimeout, "inventory-timeout"),
        (Self::LongRequest, "long-request"),
        (Self::OutOfStock, "out-of-stock"),
    ];
}

// === impl Answer ===

impl Answer {
    /// The trace id in `traceresponse: 00-<trace id>-<span id>-<flags>`.
    pub fn trace_id(&self) -> Option<&str> {
        let mut parts = self.traceresponse.split('-');
        let id = parts.nth(1)?;
        (id.len() == 32 && parts.next().is_some_and(|span| span.len() == 16)).then_some(id)
    }

    /// Whether it counts in the API's own numbers, which probes and the page are kept out of.
    pub fn is_api(&self) -> bool {
        self.route.is_some_and(|route| route.starts_with("/api/"))
    }
}

// === impl Driven ===

impl Driven {
    /// A run in which nothing has been asked yet.
    pub fn nothing(started: SystemTime) -> Self {
        // Tempo compares ids of links without their leading zeros, which a time-ordered UUID has: none then.
        let id = || format!("f{}", &Uuid::now_v7().simple().to_string()[1..]);
        Self {
            marker: Uuid::now_v7().to_string(),
            started,
            outside_trace: id(),
            abandoned_trace: id(),
            answers: Vec::new(),
        }
    }

    pub fn answer(&self, case: Case) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.case == case)
    }

    pub fn trace_id(&self, case: Case) -> Option<&str> {
        self.answer(case).and_then(Answer::trace_id)
    }

    /// The traces of all answers; not that of the abandoned request, which must be found by its link.
    pub fn trace_ids(&self) -> BTreeSet<&str> {
        self.answers.iter().filter_map(Answer::trace_id).collect()
    }
}

// === impl Driver ===

impl Driver {
    pub fn new(gateway: &str) -> anyhow::Result<Self> {
        // No pool: each request is one connection, and an abandoned one is closed at once.
        let client = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            client,
            gateway: gateway.trim_end_matches('/').to_owned(),
        })
    }

    pub async fn ready(&self) -> anyhow::Result<()> {
        let answer = self
            .send(Step::get(Case::Ready, Some("/readyz"), "/readyz"))
            .await?;
        ensure!(
            answer.status == 200,
            "{}/readyz answered {}: {}",
            self.gateway,
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// One order of the cheapest kind there is: one piece of the product that is best stocked.
    pub async fn one_order(&self) -> anyhow::Result<Answer> {
        let product = self.best_stocked().await?;
        self.order(&product).await
    }

    pub async fn drive(&self) -> anyhow::Result<Driven> {
        let mut driven = Driven::nothing(SystemTime::now());
        let product = self.best_stocked_into(&mut driven).await?;
        let scenarios = async {
            let abandoned = Step::scenario(Case::Abandoned, "long-request")
                .with("traceparent", traceparent(&driven.abandoned_trace))
                .within(ABANDON_AFTER);
            let [a, b, c, d, e] =
                Case::SCENARIOS.map(|(case, name)| self.send(Step::scenario(case, name)));
            let answers = tokio::join!(a, b, c, d, e, self.send(abandoned));
            let (a, b, c, d, e, f) = answers;
            [a, b, c, d, e, f]
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
        };
        let plain = async {
            let mut answers = Vec::new();
            for step in plain_steps(&product, &driven.marker, &driven.outside_trace) {
                answers.push(self.send(step).await?);
            }
            let placed = answers.iter().find(|answer| answer.case == Case::Order);
            if let Some(id) = placed.and_then(|answer| answer.body["order_id"].as_str()) {
                let path = format!("/api/orders/{id}");
                let lookup = Step::get(Case::OrderLookup, Some("/api/orders/{id}"), &path);
                answers.push(self.send(lookup).await?);
            }
            anyhow::Ok(answers)
        };
        let (scenarios, plain) = tokio::join!(scenarios, plain);
        driven.answers.extend(plain?);
        driven.answers.extend(scenarios?);
        Ok(driven)
    }

    /// One piece of a product.
    pub async fn order(&self, product: &str) -> anyhow::Result<Answer> {
        self.send(Step::order(Case::Order, product, 1, None)).await
    }

    /// Whatever path, also one that nobody serves.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Step::get(Case::Unrouted, None, path)).await
    }

    /// The product that the most orders can be placed for.
    pub async fn best_stocked(&self) -> anyhow::Result<String> {
        let answer = self.send(Step::catalogue()).await?;
        best_stocked(&answer)
    }

    async fn best_stocked_into(&self, driven: &mut Driven) -> anyhow::Result<String> {
        let answer = self.send(Step::catalogue()).await?;
        let product = best_stocked(&answer)?;
        driven.answers.push(answer);
        Ok(product)
    }

    async fn send(&self, step: Step) -> anyhow::Result<Answer> {
        let url = format!("{}{}", self.gateway, step.path);
        let mut request = self
            .client
            .request(step.method, &url)
            .timeout(step.patience);
        for (name, value) in step.headers {
            request = request.header(name, value);
        }
        if let Some(body) = step.body {
            request = request.body(body);
        }
        let (began, clock) = (SystemTime::now(), Instant::now());
        let mut answer = Answer {
            case: step.case,
            route: step.route,
            status: 0,
            content_type: String::new(),
            traceresponse: String::new(),
            body: Value::Null,
            began,
            took: Duration::ZERO,
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if step.case == Case::Abandoned && error.is_timeout() => {
                answer.took = clock.elapsed();
                return Ok(answer);
            }
            Err(error) => bail!("the gateway does not answer {url}: {}", root_cause(&error)),
        };
        let header = |name: &str| {
            let value = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        answer.status = response.status().as_u16();
        answer.content_type = header("content-type");
        answer.traceresponse = header("traceresponse");
        let text = response
            .text()
            .await
            .with_context(|| format!("{url} broke off its answer"))?;
        answer.took = clock.elapsed();
        answer.body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(answer)
    }
}

/// In this order, one after the other: each is fast.
fn plain_steps(product: &str, marker: &str, outside_trace: &str) -> Vec<Step> {
    let key = format!("verify-{marker}");
    let order = |case| Step::order(case, product, 1, None);
    let raw = |case, body: String| Step::post(case, ORDERS, "/api/orders", body);
    vec![
        Step::get(Case::Page, Some("/"), "/"),
        Step::get(Case::Live, Some("/healthz"), "/healthz"),
        Step::get(Case::Ready, Some("/readyz"), "/readyz"),
        Step::get(
            Case::Product,
            Some("/api/products/{id}"),
            &format!("/api/products/{product}"),
        ),
        Step::get(
            Case::UnknownProduct,
            Some("/api/products/{id}"),
            "/api/products/no-such-product",
        ),
        // Control characters and a length no line should break on, as far as a path lets them in.
        Step::get(
            Case::OddProduct,
            Some("/api/products/{id}"),
            &format!("/api/products/a%0Ab%1B%5B31m%22%5C{}", "x".repeat(2000)),
        ),
        Step::get(Case::Unrouted, None, "/api/nowhere"),
        Step::order(Case::Order, product, 1, Some(&key)),
        Step::order(Case::Repeated, product, 1, Some(&key)),
        Step::order(Case::KeyReused, product, 2, Some(&key)),
        Step::get(
            Case::UnknownOrder,
            Some("/api/orders/{id}"),
            &format!("/api/orders/{}", Uuid::now_v7()),
        ),
        raw(Case::Malformed, r#"{"items": ["#.to_owned()),
        raw(Case::WrongType, "items".to_owned()).with("content-type", "text/plain".to_owned()),
        Step::post(
            Case::TooLarge,
            // Refused by its length, before any route is looked at.
            None,
            "/api/orders",
            format!(r#"{{"items": [], "padding": "{}"}}"#, "x".repeat(TOO_LARGE)),
        ),
        Step::order(Case::BadQuantity, product, 0, None),
        Step::order(Case::UnknownItem, "no-such-product", 1, None),
        order(Case::Outside)
            .with("traceparent", traceparent(outside_trace))
            .with("baggage", "shop.fault=product-error".to_owned()),
        order(Case::BrokenParent).with("traceparent", "00-zz-not-a-parent".to_owned()),
    ]
}

// === impl Step ===

impl Step {
    fn get(case: Case, route: Option<&'static str>, path: &str) -> Self {
        Self {
            case,
            method: reqwest::Method::GET,
            route,
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            patience: PATIENCE,
        }
    }

    fn post(case: Case, route: Option<&'static str>, path: &str, body: String) -> Self {
        let mut step =
            Self::get(case, route, path).with("content-type", "application/json".to_owned());
        step.method = reqwest::Method::POST;
        step.body = Some(body);
        step
    }

    fn catalogue() -> Self {
        Self::get(Case::Catalogue, Some("/api/products"), "/api/products")
    }

    fn order(case: Case, product: &str, quantity: i64, key: Option<&str>) -> Self {
        let body = json!({"items": [{"product_id": product, "quantity": quantity}]});
        let step = Self::post(case, ORDERS, "/api/orders", body.to_string());
        match key {
            Some(key) => step.with("idempotency-key", key.to_owned()),
            None => step,
        }
    }

    fn scenario(case: Case, name: &str) -> Self {
        Self::post(
            case,
            SCENARIOS,
            &format!("/api/scenarios/{name}"),
            String::new(),
        )
    }

    /// Replaces a header of the same name.
    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

fn traceparent(trace_id: &str) -> String {
    format!("00-{trace_id}-00f067aa0ba902b7-01")
}

/// The product with the most stock: every run takes some.
fn best_stocked(answer: &Answer) -> anyhow::Result<String> {
    let products = answer.body["products"].as_array().with_context(|| {
        format!(
            "GET /api/products answered {}: {}",
            answer.status, answer.body
        )
    })?;
    let best = products
        .iter()
        .max_by_key(|product| product["available"].as_i64().unwrap_or_default())
        .context("the catalogue is empty")?;
    Ok(best["id"]
        .as_str()
        .context("a product without an id")?
        .to_owned())
}

#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) fn answer(case: Case, status: u16, trace_id: &str) -> Answer {
        Answer {
            case,
            route: ORDERS,
            status,
            content_type: "application/json".to_owned(),
            traceresponse: format!("00-{trace_id}-00f067aa0ba902b7-01"),
            body: json!({"order_id": "1", "trace_id": trace_id}),
            began: SystemTime::UNIX_EPOCH,
            took: Duration::from_millis(20),
        }
    }

    #[test]
    fn the_trace_id_is_read_from_traceresponse() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(answer(Case::Order, 201, id).trace_id(), Some(id));
        let mut without = answer(Case::Order, 201, id);
        without.traceresponse = "00-short-1-01".to_owned();
        assert_eq!(without.trace_id(), None);
    }

    #[test]
    fn orders_go_to_the_best_stocked_product() {
        let mut catalogue = answer(Case::Catalogue, 200, "");
        catalogue.body =
            json!({"products": [{"id": "a", "available": 1}, {"id": "b", "available": 9}]});
        assert_eq!(best_stocked(&catalogue).unwrap(), "b");
    }

    #[test]
    fn a_step_has_each_header_once() {
        let step =
            Step::order(Case::Order, "a", 1, None).with("content-type", "text/plain".to_owned());
        assert_eq!(step.headers, [("content-type", "text/plain".to_owned())]);
    }
}
