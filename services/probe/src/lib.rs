//! Is a component ready? One HTTP request or one connection, without a client library.
//!
//! The launcher uses it as a library. The health checks of containers whose images have no shell run it as the program
//! `probe`: `rustc` compiles this one file alone (`services/Dockerfile`), so it must not use a crate.
//!
//! ```
//! let probe: probe::Probe = "http://127.0.0.1:13133/ready".parse()?;
//! if let Err(reason) = probe.ask() {
//!     println!("not ready: {reason}");
//! }
//! # Ok::<(), probe::NotATarget>(())
//! ```

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// Timeout of connecting, of each read and of each write.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Exit code for wrong arguments, as in sysexits.h.
const USAGE: u8 = 64;

/// `probe TARGET`: exits with 0 if the target is ready, with 1 if it is not (the reason is on standard error), and with
/// 64 if the argument is not a target.
pub fn main() -> ExitCode {
    let target = std::env::args_os().nth(1).unwrap_or_default();
    let (reason, code) = match target.to_string_lossy().parse::<Probe>() {
        Ok(probe) => match probe.ask() {
            Ok(()) => return ExitCode::SUCCESS,
            Err(reason) => (reason, ExitCode::FAILURE),
        },
        Err(error) => (error.to_string(), ExitCode::from(USAGE)),
    };
    // The exit code is enough if standard error is closed.
    writeln!(std::io::stderr(), "{reason}").ok();
    code
}

/// How a component is asked whether it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `GET` answers with a 2xx status.
    Http {
        host: String,
        port: u16,
        path: String,
    },
    /// The port accepts connections: for gRPC servers, whose dependencies the gateway's `/readyz` checks.
    Listening { port: u16 },
}

/// The error for a text that is not a target.
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
    /// Asks once. `Err` holds the reason why the component is not ready.
    pub fn ask(&self) -> Result<(), String> {
        match self {
            Self::Http { host, port, path } => match status(host, *port, path) {
                Ok(200..=299) => Ok(()),
                Ok(code) => Err(format!("http://{host}:{port}{path} answers {code}")),
                Err(error) => Err(format!("http://{host}:{port}{path}: {error}")),
            },
            Self::Listening { port } => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                TcpStream::connect_timeout(&address, TIMEOUT)
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
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
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
