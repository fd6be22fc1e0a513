//! What the operator sets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hosting::Limits;
use telemetry::config::Reader;

/// The settings of this service.
#[derive(Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) faults: bool,
    pub(crate) reservation_ttl: Duration,
}

impl Config {
    /// Reads the environment.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.address("SHOP_LISTEN_ADDR", "127.0.0.1:8082"),
            data_dir: reader.text("SHOP_DATA_DIR", "/tmp/otel-shop/data").into(),
            limits: Limits::read(reader),
            faults: reader.switch("SHOP_FAULTS", false),
            reservation_ttl: reader.duration("SHOP_RESERVATION_TTL", Duration::from_secs(60)),
        }
    }
}
