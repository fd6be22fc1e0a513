//! What an operator can set, beyond what every service of the shop has.

use std::net::SocketAddr;

use contract::attributes;
use hosting::Limits;
use http::Uri;
use telemetry::config::Reader;

#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub limits: Limits,
    pub product: Uri,
    pub inventory: Uri,
    pub order: Uri,
    /// Continue the caller's trace instead of linking it.
    pub trust_caller: bool,
    /// Baggage keys let in from outside.
    pub baggage_allow: Vec<String>,
    /// Whether scenarios may ask for faults.
    pub faults: bool,
    pub backends: Backends,
}

/// Where people look at telemetry. Only ever linked to, never called.
#[derive(Debug, Clone)]
pub struct Backends {
    /// Explore serves all three signals where there is a Grafana.
    pub grafana: Option<Uri>,
    /// `None` where no Tempo runs.
    pub tempo: Option<Uri>,
    /// `None` where no Loki runs.
    pub loki: Option<Uri>,
    pub prometheus: Uri,
}

impl Config {
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader.address("SHOP_LISTEN_ADDR", "127.0.0.1:8080"),
            limits: Limits::read(reader),
            product: reader.url("SHOP_PRODUCT_URL", "http://127.0.0.1:8081"),
            inventory: reader.url("SHOP_INVENTORY_URL", "http://127.0.0.1:8082"),
            order: reader.url("SHOP_ORDER_URL", "http://127.0.0.1:8083"),
            trust_caller: reader.switch("SHOP_TRUST_CALLER", false),
            baggage_allow: baggage_allow(reader),
            faults: reader.switch("SHOP_FAULTS", false),
            backends: Backends::read(reader),
        }
    }
}

/// Faults are for the scenario route alone: with this key let in, anybody outside could ask for one.
fn baggage_allow(reader: &mut Reader<'_>) -> Vec<String> {
    let keys = reader.list("SHOP_BAGGAGE_ALLOW");
    if keys.iter().any(|key| key == attributes::FAULT) {
        let expected = "keys other than shop.fault, which only the gateway itself may set";
        reader.refuse("SHOP_BAGGAGE_ALLOW", &keys.join(","), expected);
    }
    keys
}

impl Backends {
    fn read(reader: &mut Reader<'_>) -> Self {
        let link = |text: &str| {
            let uri = text.parse::<Uri>().ok()?;
            let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
            (is_web && uri.query().is_none()).then_some(uri)
        };
        let or_none = |text: &str| match text {
            "none" => Some(None),
            text => link(text).map(Some),
        };
        let expected = "http:// or https:// with a host, such as http://127.0.0.1:3000";
        Self {
            grafana: reader.parse("SHOP_GRAFANA_URL", None, expected, |text| {
                link(text).map(Some)
            }),
            tempo: reader.parse(
                "SHOP_TEMPO_URL",
                Some(Uri::from_static("http://127.0.0.1:3200")),
                "none, or http:// or https:// with a host, such as http://127.0.0.1:3200",
                or_none,
            ),
            loki: reader.parse(
                "SHOP_LOKI_URL",
                Some(Uri::from_static("http://127.0.0.1:3100")),
                "none, or http:// or https:// with a host, such as http://127.0.0.1:3100",
                or_none,
            ),
            prometheus: reader.url("SHOP_PROMETHEUS_URL", "http://127.0.0.1:9090"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let mut reader = Reader::new(&lookup);
        let config = Config::read(&mut reader);
        reader
            .finish()
            .map(|()| config)
            .map_err(|refused| refused.to_string())
    }

    #[test]
    fn the_defaults_are_closed_to_the_outside() {
        let config = read(&[]).unwrap();
        assert!(!config.trust_caller && !config.faults);
        assert!(config.baggage_allow.is_empty());
        assert!(config.backends.grafana.is_none());
    }

    #[test]
    fn the_fault_key_cannot_be_let_in_from_outside() {
        let refused = read(&[("SHOP_BAGGAGE_ALLOW", "tenant, shop.fault")]).unwrap_err();
        assert!(refused.contains("SHOP_BAGGAGE_ALLOW"), "{refused}");
        let config = read(&[("SHOP_BAGGAGE_ALLOW", "tenant")]).unwrap();
        assert_eq!(config.baggage_allow, ["tenant"]);
    }

    #[test]
    fn grafana_may_be_behind_tls_but_must_be_a_web_address() {
        let config = read(&[("SHOP_GRAFANA_URL", "https://grafana.example/shop")]).unwrap();
        assert!(config.backends.grafana.is_some());
        let refused = read(&[("SHOP_GRAFANA_URL", "javascript:alert(1)")]).unwrap_err();
        assert!(refused.contains("SHOP_GRAFANA_URL"), "{refused}");
    }
}
