//! What an operator can set, beyond what every service of the shop has.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hosting::Limits;
use http::Uri;
use telemetry::config::Reader;

/// How long inventory may take to reserve.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub limits: Limits,
    pub data_dir: PathBuf,
    pub product: Uri,
    pub inventory: Uri,
    pub reserve_timeout: Duration,
}

impl Config {
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.address("SHOP_LISTEN_ADDR", "127.0.0.1:8083"),
            limits: Limits::read(reader),
            data_dir: reader.text("SHOP_DATA_DIR", "/tmp/otel-shop/data").into(),
            product: reader.url("SHOP_PRODUCT_URL", "http://127.0.0.1:8081"),
            inventory: reader.url("SHOP_INVENTORY_URL", "http://127.0.0.1:8082"),
            reserve_timeout: reader.duration("SHOP_RESERVE_TIMEOUT", RESERVE_TIMEOUT),
        }
    }
}
