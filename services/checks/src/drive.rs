//! Drives the shop through its public API: the requests of `checks/api.yaml`, with what each answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use uuid::Uuid;

use crate::fill;
use crate::read::Checks;
use crate::row::{Row, Stage};

/// Longer than the gateway's own limit, so that its answer is seen and not ours.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The request that is one order and nothing else.
const ORDER: &str = "plain";

/// What the public API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The id of the request.
    pub request: String,
    /// 0 if the client disconnected first.
    pub status: u16,
    pub content_type: String,
    pub traceresponse: String,
    pub body: Value,
    pub took: Duration,
}

/// One run of the drive.
#[derive(Clone, Debug)]
pub struct Driven {
    /// Part of the idempotency keys of this run's orders.
    pub marker: String,
    pub started: SystemTime,
    pub answers: Vec<Answer>,
    /// The trace that each request's caller claims to be in, where its `traceparent` names it.
    parents: BTreeMap<String, String>,
    captured: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Driver {
    client: reqwest::Client,
    gateway: String,
    checks: Arc<Checks>,
}

// === impl Answer ===

impl Answer {
    /// The trace id in `traceresponse: 00-<trace id>-<span id>-<flags>`.
    pub fn trace_id(&self) -> Option<&str> {
        let mut parts = self.traceresponse.split('-');
        let id = parts.nth(1)?;
        (id.len() == 32 && parts.next().is_some_and(|span| span.len() == 16)).then_some(id)
    }

    /// Whether this is the answer that a request of the drive must get; the difference otherwise.
    pub fn judge(&self, status: u16, is_problem: bool) -> Result<String, String> {
        if self.status != status {
            return Err(format!(
                "answered {} after {:?}: {}",
                self.status, self.took, self.body
            ));
        }
        let id = self.trace_id();
        if id.is_none() && status != 0 {
            return Err(format!("traceresponse is {:?}", self.traceresponse));
        }
        if is_problem && self.content_type != "application/problem+json" {
            return Err(format!("is {:?} instead of a problem", self.content_type));
        }
        if is_problem && self.body["trace_id"].as_str() != id {
            return Err(format!(
                "the problem has trace {}, traceresponse {id:?}",
                self.body["trace_id"]
            ));
        }
        let milliseconds = self.took.as_secs_f64() * 1e3;
        Ok(format!(
            "{milliseconds:.0} ms, trace {}",
            id.unwrap_or("none")
        ))
    }
}

// === impl Driven ===

impl Driven {
    /// A run in which no request was sent yet.
    pub fn new(checks: &Checks, started: SystemTime) -> Self {
        // Tempo compares ids of links without their leading zeros, which a time-ordered UUID has: none then.
        let id = || format!("f{}", &Uuid::now_v7().simple().to_string()[1..]);
        Self {
            marker: Uuid::now_v7().to_string(),
            started,
            answers: Vec::new(),
            parents: checks
                .requests()
                .map(|request| (request.id.clone(), id()))
                .collect(),
            captured: BTreeMap::new(),
        }
    }

    pub fn answer(&self, request: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.request == request)
    }

    pub fn trace_id(&self, request: &str) -> Option<&str> {
        self.answer(request).and_then(Answer::trace_id)
    }

    /// The trace that the caller of this request claimed to be in.
    pub fn parent(&self, request: &str) -> Option<&str> {
        self.parents.get(request).map(String::as_str)
    }

    /// The traces of all answers.
    pub fn trace_ids(&self) -> BTreeSet<&str> {
        self.answers.iter().filter_map(Answer::trace_id).collect()
    }

    /// The requests whose client disconnected: no answer names their traces, only the trace that they link to.
    pub fn abandoned(&self) -> impl Iterator<Item = &str> {
        let abandoned = self.answers.iter().filter(|answer| answer.status == 0);
        abandoned.map(|answer| answer.request.as_str())
    }

    /// What a variable of this run stands for.
    pub fn value(&self, name: &str) -> Option<String> {
        match name.split_once('.') {
            Some(("pad", length)) => Some("x".repeat(length.parse().ok()?)),
            Some((id, "trace")) => self.trace_id(id).map(str::to_owned),
            Some((id, "parent")) => self.parent(id).map(str::to_owned),
            Some(_) => self.captured.get(name).cloned(),
            None if name == "marker" => Some(self.marker.clone()),
            None if name == "start" => {
                let since = self.started.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                Some(format!("{:.3}", since.as_secs_f64()))
            }
            None => None,
        }
    }

    fn add(&mut self, request: &Row, answer: Answer) {
        for (name, path) in &request.capture {
            if let Some(value) = part(&answer.body, path) {
                self.captured
                    .insert(format!("{}.{name}", request.id), value);
            }
        }
        self.answers.push(answer);
    }
}

// === impl Driver ===

impl Driver {
    pub fn new(gateway: &str, checks: Arc<Checks>) -> anyhow::Result<Self> {
        // No pool: each request is one connection, and an abandoned one is closed at once. No proxy: all is on this machine.
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            client,
            gateway: gateway.trim_end_matches('/').to_owned(),
            checks,
        })
    }

    pub async fn ready(&self) -> anyhow::Result<()> {
        let ready = Row {
            http: Some("GET /readyz".to_owned()),
            ..Row::default()
        };
        let answer = self
            .send(&ready, &Driven::new(&self.checks, SystemTime::now()))
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

    /// One order, and what its body needs.
    pub async fn one_order(&self) -> anyhow::Result<Answer> {
        let order = self
            .checks
            .request(ORDER)
            .with_context(|| format!("no request {ORDER}"))?;
        let mut driven = Driven::new(&self.checks, SystemTime::now());
        for name in fill::names(order.body.as_deref().unwrap_or_default())? {
            let id = name.split('.').next().unwrap_or_default();
            if let Some(request) = self.checks.request(id) {
                let answer = self.send(request, &driven).await?;
                driven.add(request, answer);
            }
        }
        self.send(order, &driven).await
    }

    /// Sends all requests: those of `drive` one after the other, those of `meanwhile` at the same time, those of `last` then.
    pub async fn drive(&self) -> anyhow::Result<Driven> {
        let begun = Driven::new(&self.checks, SystemTime::now());
        let of = |stage| {
            let rows = self.checks.requests().filter(move |row| row.stage == stage);
            rows.collect::<Vec<_>>()
        };
        let meanwhile = of(Stage::Meanwhile);
        let answers = try_join_all(meanwhile.iter().map(|request| self.send(request, &begun)));
        let (driven, answers) =
            tokio::join!(self.sequence(of(Stage::Drive), begun.clone()), answers);
        let mut driven = driven?;
        for (request, answer) in meanwhile.into_iter().zip(answers?) {
            driven.add(request, answer);
        }
        self.sequence(of(Stage::Last), driven).await
    }

    async fn sequence(&self, requests: Vec<&Row>, mut driven: Driven) -> anyhow::Result<Driven> {
        for request in requests {
            // The row of a request that cannot be sent reports it.
            if request.filled(|name| driven.value(name)).is_ok() {
                let answer = self.send(request, &driven).await?;
                driven.add(request, answer);
            }
        }
        Ok(driven)
    }

    async fn send(&self, request: &Row, driven: &Driven) -> anyhow::Result<Answer> {
        let request = request.filled(|name| driven.value(name))?;
        let line = request.http.as_deref().unwrap_or_default();
        let (method, path) = line
            .split_once(' ')
            .context("a request needs a method and a path")?;
        let url = format!("{}{path}", self.gateway);
        let abandon = request
            .abandon
            .as_deref()
            .map(humantime::parse_duration)
            .transpose()?;
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut sent = self
            .client
            .request(method, &url)
            .timeout(abandon.unwrap_or(TIMEOUT));
        for (name, value) in request.headers {
            sent = sent.header(name, value);
        }
        if let Some(body) = request.body {
            sent = sent.body(body);
        }
        let clock = Instant::now();
        let mut answer = Answer {
            request: request.id,
            status: 0,
            content_type: String::new(),
            traceresponse: String::new(),
            body: Value::Null,
            took: Duration::ZERO,
        };
        let response = match sent.send().await {
            Ok(response) => response,
            Err(error) if abandon.is_some() && error.is_timeout() => {
                answer.took = clock.elapsed();
                return Ok(answer);
            }
            Err(error) => bail!(
                "the gateway does not answer {url}: {}",
                anyhow!(error).root_cause()
            ),
        };
        let header = |name: &str| {
            let value = response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        answer.status = response.status().as_u16();
        answer.content_type = header("content-type");
        answer.traceresponse = header("traceresponse");
        let text = response
            .text()
            .await
            .with_context(|| format!("{url} ended in the middle of its answer"))?;
        answer.took = clock.elapsed();
        answer.body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(answer)
    }
}

/// The part of `body` at `path`: keys between dots, and `list[max key]` for the element with the greatest number.
fn part(body: &Value, path: &str) -> Option<String> {
    let mut at = body;
    for step in path.split('.') {
        at = match step.split_once("[max ") {
            None => at.get(step)?,
            Some((list, key)) => {
                let key = key.trim_end_matches(']');
                let elements = at.get(list)?.as_array()?.iter();
                elements.max_by_key(|element| element[key].as_i64().unwrap_or_default())?
            }
        };
    }
    Some(at.as_str().map_or_else(|| at.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn answer(status: u16) -> Answer {
        Answer {
            request: "order".to_owned(),
            status,
            content_type: "application/problem+json".to_owned(),
            traceresponse: format!("00-{ID}-00f067aa0ba902b7-01"),
            body: json!({"order_id": "1", "trace_id": ID}),
            took: Duration::from_millis(20),
        }
    }

    #[test]
    fn an_answer_fails_by_status_type_and_trace_id() {
        type Change = fn(&mut Answer);
        let cases: [(Change, bool, &str); 6] = [
            (|_| {}, true, ""),
            (|answer| answer.status = 502, false, "answered 502"),
            (
                |answer| answer.traceresponse = "00-short-1-01".to_owned(),
                false,
                "traceresponse is",
            ),
            (
                |answer| answer.content_type = "application/json".to_owned(),
                true,
                "instead of a problem",
            ),
            (
                |answer| answer.content_type = "application/json".to_owned(),
                false,
                "",
            ),
            (
                |answer| answer.body["trace_id"] = "another".into(),
                true,
                "the problem has trace \"another\"",
            ),
        ];
        for (change, is_problem, word) in cases {
            let mut answer = answer(404);
            change(&mut answer);
            match answer.judge(404, is_problem) {
                Ok(_) => assert_eq!(word, ""),
                Err(state) => assert!(!word.is_empty() && state.contains(word), "{state}"),
            }
        }
    }

    #[test]
    fn parts_of_a_body_are_found_by_keys_and_by_the_greatest_number() {
        let body = json!({"products": [{"id": "a", "available": 1}, {"id": "b", "available": 9}], "links": {"logs": "x"}});
        assert_eq!(
            part(&body, "products[max available].id").as_deref(),
            Some("b")
        );
        assert_eq!(part(&body, "links.logs").as_deref(), Some("x"));
        assert_eq!(part(&body, "links.trace"), None);
    }
}
