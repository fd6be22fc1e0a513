//! One product service, its sink and a caller that chooses the trace.

use std::path::Path;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use telemetry_testing::{Child, Sink, tree};

/// The trace of every call below; each test has a sink of its own.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

pub(crate) struct Product {
    pub(crate) sink: Sink,
    pub(crate) child: Child,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

impl Product {
    /// With faults switched on.
    pub(crate) fn start() -> Self {
        Self::start_with(&[("SHOP_FAULTS", "on")])
    }

    pub(crate) fn start_with(more: &[(&'static str, &str)]) -> Self {
        let sink = Sink::start();
        let child = spawn(&sink, more);
        child.listening();
        Self { sink, child }
    }

    pub(crate) fn request(&self, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.child.listening());
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        reqwest::Client::new()
            .get(url)
            .header("traceparent", parent)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(path)).await
    }

    pub(crate) async fn get_under(&self, fault: &str, path: &str) -> Answer {
        answer(
            self.request(path)
                .header("baggage", format!("shop.fault={fault}")),
        )
        .await
    }

    /// The spans of the trace so far. All of them have the caller as their ancestor, and the sink never sees the caller.
    pub(crate) fn tree(&self) -> String {
        tree::render(&self.sink.trace(TRACE))
    }
}

pub(crate) fn spawn(sink: &Sink, more: &[(&'static str, &str)]) -> Child {
    let mut env = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100".to_owned()),
    ];
    env.extend(
        more.iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    Child::spawn(Path::new(env!("CARGO_BIN_EXE_product")), &env)
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let content_type = response.headers().get("content-type").unwrap();
    Answer {
        status: response.status(),
        content_type: content_type.to_str().unwrap().to_owned(),
        body: response.json().await.unwrap(),
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["trace_id"], TRACE);
    }
}
