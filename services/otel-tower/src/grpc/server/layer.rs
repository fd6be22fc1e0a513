use std::sync::Arc;

use tower::Layer;

use super::call::Metrics;
use super::service::Server;
use crate::Instrumentation;

/// Instruments a gRPC server. What it records is on the [module's page](crate::grpc).
#[derive(Clone, Debug)]
pub struct ServerLayer {
    instrumentation: Instrumentation,
    metrics: Arc<Metrics>,
    methods: &'static [&'static str],
}

impl ServerLayer {
    /// `methods` are the full names of what the server implements, such as
    /// `shop.order.v1.OrderService/PlaceOrder`. Calls to any other are recorded as `_OTHER`.
    pub fn new(instrumentation: &Instrumentation, methods: &'static [&'static str]) -> Self {
        Self {
            instrumentation: instrumentation.clone(),
            metrics: Arc::new(Metrics::new(instrumentation)),
            methods,
        }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server {
            inner,
            instrumentation: self.instrumentation.clone(),
            metrics: Arc::clone(&self.metrics),
            methods: self.methods,
        }
    }
}
