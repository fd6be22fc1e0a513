//! Is a component ready? One HTTP request or one connection, without a client library.
//!
//! The launcher asks with it, and so do the health checks of containers whose images have no shell: the binary `probe`
//! is static and needs nothing else.
//!
//! ```
//! let probe: probe::Probe = "http://127.0.0.1:13133/ready".parse()?;
//! if let Err(seen) = probe.ask() {
//!     println!("not ready: {seen}");
//! }
//! # Ok::<(), probe::NotATarget>(())
//! ```

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// How readiness is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `GET` answers with a 2xx status.
    Http {
        host: String,
        port: u16,
        path: String,
    },
    /// Something accepts connections: for gRPC, where the gateway's `/readyz` asks the rest.
    Listening { port: u16 },
}

/// A text that is no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotATarget(String);

// === impl NotATarget ===

impl fmt::Display for NotATarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}`: expected http://HOST:PORT/PATH or tcp://127.0.0.1:PORT",
            self.0
        )
    }
}

impl std::error::Error for NotATarget {}

// === impl Probe ===

impl FromStr for Probe {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let parsed = if let Some(rest) = text.strip_prefix("http://") {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            authority.rsplit_once(':').and_then(|(host, port)| {
                Some(Self::Http {
                    host: host.to_owned(),
                    port: port.parse().ok()?,
                    path: if path.is_empty() { "/" } else { path }.to_owned(),
                })
            })
        } else {
            let port = text.strip_prefix("tcp://127.0.0.1:");
            port.and_then(|port| {
                Some(Self::Listening {
                    port: port.parse().ok()?,
                })
            })
        };
        parsed.ok_or_else(|| NotATarget(text.to_owned()))
    }
}

impl Probe {
    /// `Ok` when ready, else what was seen.
    pub fn ask(&self) -> Result<(), String> {
        match self {
            Self::Http { host, port, path } => match status(host, *port, path) {
                Ok(200..=299) => Ok(()),
                Ok(code) => Err(format!("http://{host}:{port}{path} answers {code}")),
                Err(error) => Err(format!("http://{host}:{port}{path}: {error}")),
            },
            Self::Listening { port } => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                TcpStream::connect_timeout(&address, PATIENCE)
                    .map(drop)
                    .map_err(|error| format!("port {port}: {error}"))
            }
        }
    }
}

fn status(host: &str, port: u16, path: &str) -> std::io::Result<u16> {
    let unusable = |what: &str| std::io::Error::other(what.to_owned());
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| unusable("no such host"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: a server may answer and close after its first read.
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head)?;
    // "HTTP/1.1 200 OK"
    let head = String::from_utf8_lossy(&head);
    head.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| unusable("the answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection with `reply` and gives its port.
    fn server(reply: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(
                String::from_utf8_lossy(&request[..read]).starts_with("GET /ready HTTP/1.1\r\n")
            );
            stream.write_all(reply.as_bytes()).unwrap();
        });
        port
    }

    fn ask(reply: &'static str) -> Result<(), String> {
        Probe::Http {
            host: "127.0.0.1".into(),
            port: server(reply),
            path: "/ready".into(),
        }
        .ask()
    }

    #[test]
    fn only_a_2xx_answer_is_ready() {
        assert_eq!(ask("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
        assert_eq!(ask("HTTP/1.1 204 No Content\r\n\r\n"), Ok(()));
        assert!(
            ask("HTTP/1.1 503 Service Unavailable\r\n\r\n")
                .unwrap_err()
                .contains("answers 503")
        );
        assert!(ask("SSH-2.0-x\r\n").unwrap_err().contains("not HTTP"));
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        let http = |port, path: &str| {
            Ok(Probe::Http {
                host: "127.0.0.1".into(),
                port,
                path: path.into(),
            })
        };
        assert_eq!(
            "http://127.0.0.1:13133/ready".parse(),
            http(13133, "/ready")
        );
        assert_eq!("http://127.0.0.1:80".parse(), http(80, "/"));
        assert_eq!(
            "tcp://127.0.0.1:8082".parse(),
            Ok(Probe::Listening { port: 8082 })
        );
        for wrong in [
            "",
            "127.0.0.1:80",
            "http://127.0.0.1/",
            "tcp://10.0.0.1:1",
            "tcp://127.0.0.1:x",
        ] {
            let error = wrong.parse::<Probe>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")), "{error}");
        }
    }

    #[test]
    fn a_listener_is_told_from_a_closed_port() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(Probe::Listening { port }.ask(), Ok(()));
        drop(listener);
        assert!(Probe::Listening { port }.ask().is_err());
    }
}
