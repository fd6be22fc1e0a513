//! What the operator sets.

use std::time::Duration;

use telemetry::config::Reader;

/// Limits of a server, the same for HTTP and gRPC.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a request's head to its response's head; also the time a client has to send a head.
    pub timeout: Duration,
    /// Requests at once. The next one is refused, not queued: a queue only moves the wait to where nobody sees it.
    pub in_flight: usize,
    /// Bytes of a request's body.
    pub body: u64,
}

impl Limits {
    /// Reads `SHOP_REQUEST_TIMEOUT`, `SHOP_MAX_IN_FLIGHT` and `SHOP_MAX_BODY`.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        Self {
            timeout: reader.duration("SHOP_REQUEST_TIMEOUT", default.timeout),
            in_flight: reader.count("SHOP_MAX_IN_FLIGHT", default.in_flight),
            body: reader.bytes("SHOP_MAX_BODY", default.body),
        }
    }
}

/// 20 s, 512 requests, 64 KiB.
impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            in_flight: 512,
            body: 64 * 1024,
        }
    }
}
