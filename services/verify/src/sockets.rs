//! Whom do the services talk to? Read from their sockets through procfs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::Context;
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

/// What one service may connect to, by remote port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub service: String,
    pub listens: u16,
    pub peers: BTreeMap<u16, String>,
}

/// The remote ends each service was seen connected to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub looks: usize,
    pub outgoing: BTreeMap<String, BTreeSet<SocketAddr>>,
    pub listening: BTreeMap<String, BTreeSet<u16>>,
}

#[derive(Clone, Copy, Debug)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    is_listener: bool,
}

// === impl Seen ===

impl Seen {
    /// Adds what process `pid` of `service` is connected to now.
    pub fn look(&mut self, service: &str, pid: u32) -> anyhow::Result<()> {
        let sockets =
            sockets_of(pid).with_context(|| format!("the sockets of {service} ({pid})"))?;
        self.add(service, &sockets);
        self.looks += 1;
        Ok(())
    }

    fn add(&mut self, service: &str, sockets: &[Socket]) {
        let listening = self.listening.entry(service.to_owned()).or_default();
        listening.extend(
            sockets
                .iter()
                .filter(|socket| socket.is_listener)
                .map(|socket| socket.local.port()),
        );
        let accepted = listening.clone();
        self.outgoing.entry(service.to_owned()).or_default().extend(
            sockets
                .iter()
                .filter(|socket| !socket.is_listener && !accepted.contains(&socket.local.port()))
                .map(|socket| socket.remote),
        );
    }

    /// Which ports each service used, or the first connection that is none of the allowed ones.
    pub fn judge(&self, allowed: &Allowed) -> Result<String, String> {
        let service = &allowed.service;
        let listening = self.listening.get(service).cloned().unwrap_or_default();
        if listening != BTreeSet::from([allowed.listens]) {
            return Err(format!(
                "{service} listens on {listening:?} instead of {} alone",
                allowed.listens
            ));
        }
        let outgoing = self.outgoing.get(service).cloned().unwrap_or_default();
        let mut used = BTreeSet::new();
        for remote in outgoing {
            let Some(peer) = allowed.peers.get(&remote.port()) else {
                return Err(format!(
                    "{service} is connected to {remote}, which is none of its peers"
                ));
            };
            used.insert(peer.as_str());
        }
        let missing: Vec<&str> = allowed
            .peers
            .values()
            .map(String::as_str)
            .filter(|peer| !used.contains(peer))
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "{service} was not seen connected to {}, although it depends on it",
                missing.join(", ")
            ));
        }
        Ok(format!(
            "only {} in {} looks",
            used.into_iter().collect::<Vec<_>>().join(", "),
            self.looks
        ))
    }
}

fn sockets_of(pid: u32) -> anyhow::Result<Vec<Socket>> {
    let process = Process::new(i32::try_from(pid)?)?;
    let mut own = BTreeSet::new();
    for descriptor in process.fd()? {
        if let FDTarget::Socket(inode) = descriptor?.target {
            own.insert(inode);
        }
    }
    let mut entries = process.tcp()?;
    // A machine without IPv6 has no such table.
    entries.extend(process.tcp6().unwrap_or_default());
    Ok(entries
        .into_iter()
        .filter(|entry| own.contains(&entry.inode))
        .map(|entry| Socket {
            local: entry.local_address,
            remote: entry.remote_address,
            is_listener: entry.state == TcpState::Listen,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn socket(local: u16, remote: u16, is_listener: bool) -> Socket {
        Socket {
            local: SocketAddr::from(([127, 0, 0, 1], local)),
            remote: SocketAddr::from(([127, 0, 0, 1], remote)),
            is_listener,
        }
    }

    fn allowed() -> Allowed {
        Allowed {
            service: "order".to_owned(),
            listens: 8083,
            peers: BTreeMap::from([(4318, "collector".to_owned())]),
        }
    }

    fn judged(sockets: &[Socket]) -> Result<String, String> {
        let mut seen = Seen::default();
        seen.add("order", sockets);
        seen.judge(&allowed())
    }

    #[test]
    fn the_collector_and_accepted_callers_are_fine() {
        let result = judged(&[
            socket(8083, 0, true),
            socket(8083, 50_001, false),
            socket(50_002, 4318, false),
        ]);
        assert!(result.is_ok(), "{result:?}");
    }

    #[test]
    fn a_connection_to_a_backend_is_named() {
        let result = judged(&[
            socket(8083, 0, true),
            socket(50_002, 4318, false),
            socket(50_003, 3200, false),
        ]);
        assert!(result.unwrap_err().contains("127.0.0.1:3200"));
    }

    #[test]
    fn a_service_that_never_talks_to_the_collector_fails() {
        assert!(
            judged(&[socket(8083, 0, true)])
                .unwrap_err()
                .contains("not seen connected to collector")
        );
    }

    #[test]
    fn the_sockets_of_a_real_process_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut seen = Seen::default();
        seen.look("order", std::process::id()).unwrap();
        assert!(seen.listening["order"].contains(&port));
        assert!(seen.outgoing["order"].contains(&client.peer_addr().unwrap()));
    }
}
