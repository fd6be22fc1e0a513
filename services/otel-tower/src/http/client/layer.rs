use std::sync::Arc;

use tower::Layer;

use super::call::Metrics;
use super::service::Client;
use crate::Instrumentation;

/// Instruments an HTTP client. What it records is on the [module's page](crate::http).
///
/// It has no settings: the URL template comes with each request, as
/// [`UrlTemplate`](super::UrlTemplate).
#[derive(Clone, Debug)]
pub struct ClientLayer {
    instrumentation: Instrumentation,
    metrics: Arc<Metrics>,
}

impl ClientLayer {
    /// A layer for any `Service<http::Request<_>>` that sends requests.
    pub fn new(instrumentation: &Instrumentation) -> Self {
        Self {
            instrumentation: instrumentation.clone(),
            metrics: Arc::new(Metrics::new(instrumentation)),
        }
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client {
            inner,
            instrumentation: self.instrumentation.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }
}
