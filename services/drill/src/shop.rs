//! The shop's public API, as far as the doctor and the drills use it.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use serde_json::{Value, json};
use verify::backend::root_cause;

/// Longer than the gateway's own limit, so that its answer is seen and not ours.
const TIMEOUT: Duration = Duration::from_secs(25);
/// A product of the seed with a million pieces.
const PRODUCT: &str = "p-1005";

#[derive(Clone, Debug)]
pub struct Shop {
    client: reqwest::Client,
    gateway: String,
}

/// What the gateway answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Of `traceresponse`, as the next field.
    pub trace_id: String,
    /// Without it no span of the request is recorded.
    pub is_sampled: bool,
    pub body: Value,
    pub began: SystemTime,
    pub took: Duration,
}

// === impl Shop ===

impl Shop {
    pub fn new(gateway: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            // All is on this machine.
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .context("the HTTP client could not be built")?;
        Ok(Self {
            client,
            gateway: gateway.trim_end_matches('/').to_owned(),
        })
    }

    /// One piece of one product. The error says why there was no answer.
    pub async fn order(&self, key: &str) -> Result<Answer, String> {
        let body = json!({"items": [{"product_id": PRODUCT, "quantity": 1}]});
        let request = self
            .client
            .post(format!("{}/api/orders", self.gateway))
            .header("idempotency-key", key)
            .json(&body);
        self.send(request).await
    }

    /// One order under a fault.
    pub async fn scenario(&self, name: &str) -> Result<Answer, String> {
        let url = format!("{}/api/scenarios/{name}", self.gateway);
        self.send(self.client.post(url)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let (began, clock) = (SystemTime::now(), Instant::now());
        let unanswered = |error: reqwest::Error| {
            let cause = root_cause(&error);
            format!("{} does not answer: {cause}", self.gateway)
        };
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        let context = response.headers().get("traceresponse");
        let context = context
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        // version-trace id-span id-flags
        let parts: Vec<&str> = context.split('-').collect();
        let trace_id = parts.get(1).copied().unwrap_or_default().to_owned();
        let flags = parts
            .get(3)
            .and_then(|flags| u8::from_str_radix(flags, 16).ok());
        let text = response.text().await.map_err(unanswered)?;
        Ok(Answer {
            status,
            trace_id,
            is_sampled: flags.is_none_or(|flags| flags & 1 == 1),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
            began,
            took: clock.elapsed(),
        })
    }
}

// === impl Answer ===

impl Answer {
    /// The text of a problem document.
    pub fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }
}
