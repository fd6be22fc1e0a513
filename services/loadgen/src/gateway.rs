//! Where the gateway is, and whether it may be loaded.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use http::Uri;
use http::uri::{Authority, Scheme};

const PORT: &str = "GATEWAY_PORT";
const DEFAULT_PORT: u16 = 8080;

/// `--gateway`, or loopback with the port that `GATEWAY_PORT` names: in the environment, else in the nearest `.env`, else 8080.
pub fn find(
    option: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
    here: &Path,
) -> anyhow::Result<Authority> {
    if let Some(url) = option {
        return parse(url).with_context(|| format!("--gateway {url}"));
    }
    let port = match variable(PORT).or_else(|| from_file(here)) {
        Some(text) => text
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .with_context(|| format!("{PORT}={text}: expected a port, 1 to 65535"))?,
        None => DEFAULT_PORT,
    };
    Ok(Authority::try_from(format!("127.0.0.1:{port}"))?)
}

/// Refuses a gateway on another machine, unless that is wanted.
pub fn permit(gateway: &Authority, is_remote_allowed: bool) -> anyhow::Result<()> {
    let host = gateway.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_local =
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    ensure!(
        is_local || is_remote_allowed,
        "{host} is not this machine: load is for systems that are yours; --allow-remote says that it is"
    );
    Ok(())
}

fn parse(url: &str) -> anyhow::Result<Authority> {
    let uri: Uri = url.parse()?;
    let is_root = uri.path() == "/" && uri.query().is_none();
    match uri.authority() {
        Some(authority) if uri.scheme() == Some(&Scheme::HTTP) && is_root => Ok(authority.clone()),
        _ => bail!("expected http://HOST:PORT"),
    }
}

fn from_file(here: &Path) -> Option<String> {
    let text = here
        .ancestors()
        .find_map(|dir| std::fs::read_to_string(dir.join(".env")).ok())?;
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| *name == PORT)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> &'static Path {
        Path::new("/")
    }

    #[test]
    fn the_option_wins_over_the_variable_and_the_variable_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "# ports\nGATEWAY_PORT=9003\n").unwrap();
        let below = dir.path().join("services");
        std::fs::create_dir(&below).unwrap();
        let find = |option, variable: Option<&str>| {
            find(option, |_| variable.map(str::to_owned), &below)
                .unwrap()
                .to_string()
        };
        assert_eq!(find(Some("http://[::1]:9001"), Some("9002")), "[::1]:9001");
        assert_eq!(find(None, Some("9002")), "127.0.0.1:9002");
        assert_eq!(find(None, None), "127.0.0.1:9003");
    }

    #[test]
    fn without_any_it_is_the_documented_address() {
        let found = find(None, |_| None, nowhere()).unwrap();
        assert_eq!(found, "127.0.0.1:8080");
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_value() {
        for url in [
            "127.0.0.1:8080",
            "https://127.0.0.1:8080",
            "http://127.0.0.1:8080/api",
            "http://127.0.0.1:8080/?a=b",
            "not a url",
        ] {
            let refused = format!("{:#}", find(Some(url), |_| None, nowhere()).unwrap_err());
            assert!(refused.contains(url), "{url}: {refused}");
        }
        for port in ["0", "65536", "http"] {
            let refused = find(None, |_| Some(port.to_owned()), nowhere()).unwrap_err();
            assert!(
                refused
                    .to_string()
                    .contains(&format!("GATEWAY_PORT={port}:"))
            );
        }
    }

    #[test]
    fn another_machine_needs_a_permission() {
        let permit = |host: &'static str, allowed| permit(&Authority::from_static(host), allowed);
        for local in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "localhost:1"] {
            permit(local, false).unwrap();
        }
        for remote in [
            "10.0.0.7:1",
            "shop.example:1",
            "[2001:db8::1]:1",
            "localhost.example:1",
            "0.0.0.0:1",
        ] {
            let refused = permit(remote, false).unwrap_err().to_string();
            assert!(refused.contains("--allow-remote"), "{refused}");
            permit(remote, true).unwrap();
        }
    }
}
