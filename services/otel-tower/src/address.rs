//! The two ends of a connection, and other text that a peer chooses.

use std::net::SocketAddr;

use http::Uri;
use http::uri::Authority;
use opentelemetry::KeyValue;

use crate::names;

/// Text of the peer is cut to this many bytes: the SDK limits the number of attributes, not their size.
const MAX_TEXT_BYTES: usize = 1024;

/// The address of the connection's other end, as a request extension.
///
/// A server's accept loop knows it and a layer does not: insert it into the extensions of each
/// request. It becomes `client.address`, `network.peer.address` and `network.peer.port` of server
/// spans; without it they are absent. Forwarding headers are not read: anybody can write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    pub(crate) fn attributes(self) -> [KeyValue; 3] {
        let ip = self.0.ip().to_canonical().to_string();
        [
            KeyValue::new(names::CLIENT_ADDRESS, ip.clone()),
            KeyValue::new(names::NETWORK_PEER_ADDRESS, ip),
            KeyValue::new(names::NETWORK_PEER_PORT, i64::from(self.0.port())),
        ]
    }
}

/// Only these two words: a caller over HTTP/2 can put anything into `:scheme`.
pub(crate) fn scheme(uri: &Uri) -> &'static str {
    match uri.scheme_str() {
        Some("https") => "https",
        _ => "http",
    }
}

/// `text`, cut to a bounded size.
pub(crate) fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

/// The host without the brackets of an IPv6 literal, and the port.
pub(crate) fn host_and_port(authority: &Authority) -> (String, Option<u16>) {
    let host = authority.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    (clipped(bare.unwrap_or(host)), authority.port_u16())
}

pub(crate) fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        let text = format!("{}é", "x".repeat(MAX_TEXT_BYTES - 1));
        assert_eq!(clipped(&text), "x".repeat(MAX_TEXT_BYTES - 1));
    }

    #[test]
    fn hosts_lose_the_brackets_of_an_ipv6_literal() {
        let parse = |text: &str| host_and_port(&text.parse().unwrap());
        assert_eq!(parse("[::1]:8080"), ("::1".to_owned(), Some(8080)));
        assert_eq!(parse("shop.example"), ("shop.example".to_owned(), None));
    }
}
