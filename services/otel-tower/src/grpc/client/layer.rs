use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tower::Layer;

use super::call::{Metrics, Target};
use super::service::Client;
use crate::Instrumentation;
use crate::address::{default_port, host_and_port, scheme};

/// Instruments a gRPC client. What it records is on the [module's page](crate::grpc).
#[derive(Clone, Debug)]
pub struct ClientLayer {
    instrumentation: Instrumentation,
    metrics: Arc<Metrics>,
    target: Arc<Target>,
    deadline: Option<Duration>,
}

impl ClientLayer {
    /// `target` is what the channel connects to: requests carry only a path. It gives
    /// `server.address` and `server.port`.
    pub fn new(instrumentation: &Instrumentation, target: &Uri) -> Self {
        let (address, port) = match target.authority() {
            Some(authority) => host_and_port(authority),
            None => (String::new(), None),
        };
        Self {
            instrumentation: instrumentation.clone(),
            metrics: Arc::new(Metrics::new(instrumentation)),
            target: Arc::new(Target {
                address,
                port: port.unwrap_or_else(|| default_port(scheme(target))),
            }),
            deadline: None,
        }
    }

    /// The longest time that a call may take, from sending it to the end of the response body.
    /// Default: no limit.
    ///
    /// The server is told by `grpc-timeout`, and the layer does not rely on its answer: past the
    /// deadline it drops the call and answers `DEADLINE_EXCEEDED` itself. (tonic's own timeouts say
    /// `CANCELLED`.) A shorter `grpc-timeout` that a request already carries holds instead, with or
    /// without a deadline here. The timer is Tokio's: calls with a deadline need its runtime.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
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
            target: Arc::clone(&self.target),
            deadline: self.deadline,
        }
    }
}
