use std::sync::Arc;

use tower::Layer;

use super::call::Metrics;
use super::service::Server;
use crate::Instrumentation;
use crate::http::Edge;

/// Instruments an HTTP server. What it records is on the [module's page](crate::http).
#[derive(Clone, Debug)]
pub struct ServerLayer {
    instrumentation: Instrumentation,
    metrics: Arc<Metrics>,
    edge: Edge,
}

impl ServerLayer {
    /// A layer for an internal server: see [`ServerLayer::edge`].
    pub fn new(instrumentation: &Instrumentation) -> Self {
        Self {
            instrumentation: instrumentation.clone(),
            metrics: Arc::new(Metrics::new(instrumentation)),
            edge: Edge::default(),
        }
    }

    /// Who the callers are. Default: [`Edge::Internal`].
    pub fn edge(self, edge: Edge) -> Self {
        Self { edge, ..self }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server {
            inner,
            instrumentation: self.instrumentation.clone(),
            metrics: Arc::clone(&self.metrics),
            edge: Arc::new(self.edge.clone()),
        }
    }
}
