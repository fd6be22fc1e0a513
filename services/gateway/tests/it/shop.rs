//! One gateway, its stand-ins and its sink.

use std::path::Path;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use telemetry_testing::{Child, Sink};

use crate::stand_in::Peers;

pub(crate) struct Shop {
    pub(crate) sink: Sink,
    pub(crate) peers: Peers,
    pub(crate) gateway: Child,
    pub(crate) client: Client,
    base: String,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// With further variables; they win over the defaults.
    pub(crate) async fn open_with(more: &[(&'static str, &str)]) -> Self {
        let (sink, peers) = (Sink::start(), Peers::default());
        peers.stock(&[("cup", 5), ("tea", 3)]);
        let addresses = peers.serve().await;
        let grpc = format!("http://{}", addresses.grpc);
        let mut env = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_BLRP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100".to_owned()),
            ("SHOP_PRODUCT_URL", format!("http://{}", addresses.product)),
            ("SHOP_INVENTORY_URL", grpc.clone()),
            ("SHOP_ORDER_URL", grpc),
        ];
        env.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let gateway = Child::spawn(Path::new(env!("CARGO_BIN_EXE_gateway")), &env);
        let base = format!("http://{}", gateway.listening());
        Self {
            sink,
            peers,
            gateway,
            client: Client::new(),
            base,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        Answer::of(self.client.post(self.url(path))).await
    }

    /// Orders two of `tea`.
    pub(crate) async fn order(&self) -> Answer {
        Answer::of(self.ordering()).await
    }

    pub(crate) fn ordering(&self) -> RequestBuilder {
        let body = json!({"items": [{"product_id": "tea", "quantity": 2}]});
        self.client.post(self.url("/api/orders")).json(&body)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::from(request.send().await.unwrap()).await
    }

    async fn from(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The trace that `traceresponse` names.
    pub(crate) fn trace_id(&self) -> String {
        let trace_id = self.header("traceresponse").split('-').nth(1);
        trace_id
            .unwrap_or_else(|| panic!("no traceresponse in {self:?}"))
            .to_owned()
    }

    /// It is a problem document of this status, and its trace id is that of the response.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["status"], status, "{self:?}");
        assert_eq!(body["type"], "about:blank", "{self:?}");
        assert!(body["title"].is_string(), "{self:?}");
        assert_eq!(body["trace_id"], self.trace_id(), "{self:?}");
        body
    }
}
