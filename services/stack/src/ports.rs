//! Ports: which are free, and who has one that is not.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use procfs::net::TcpState;
use procfs::process::{FDTarget, all_processes};

/// Whether a program could listen there now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Free ports, all different, for an isolated instance.
///
/// They are taken below the range from which the kernel gives ports to outgoing connections, so that none of those can
/// grab one between this look and the component's start. Instances of one process never get the same.
#[must_use]
pub fn free(count: usize) -> Vec<u16> {
    const FIRST: u16 = 20_000;
    const RANGE: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that search at the same time begin at different places.
    let start = std::process::id().wrapping_mul(389);
    let candidate = || {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        FIRST + u16::try_from(start.wrapping_add(step) % u32::from(RANGE)).unwrap_or_default()
    };
    std::iter::repeat_with(candidate)
        .take(usize::from(RANGE))
        .filter(|&port| is_free(port))
        .take(count)
        .collect()
}

/// Who listens on a port, as far as this user may see it.
#[must_use]
pub fn holder(port: u16) -> String {
    let Some(inode) = listening_inode(port) else {
        return "a program that does not listen on it yet".to_owned();
    };
    let owns = |process: &procfs::process::Process| {
        process.fd().is_ok_and(|fds| {
            fds.flatten()
                .any(|fd| matches!(fd.target, FDTarget::Socket(i) if i == inode))
        })
    };
    let found = all_processes()
        .ok()
        .and_then(|mut processes| processes.find_map(|p| p.ok().filter(owns)));
    match found {
        Some(process) => {
            let command = process
                .cmdline()
                .map(|words| words.join(" "))
                .unwrap_or_default();
            let short: String = command.chars().take(100).collect();
            format!("pid {} ({short})", process.pid)
        }
        None => "a process of another user".to_owned(),
    }
}

fn listening_inode(port: u16) -> Option<u64> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let mut entries = tables.into_iter().flatten().flatten();
    entries
        .find(|e| e.state == TcpState::Listen && e.local_address.port() == port)
        .map(|e| e.inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_different_and_can_be_bound() {
        let ports = free(30);
        let mut unique = ports.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 30);
        assert!(ports.iter().all(|&port| is_free(port)));
        assert!(
            free(30).iter().all(|port| !ports.contains(port)),
            "a second instance gets others"
        );
    }

    #[test]
    fn the_holder_of_a_port_is_named_by_pid_and_command() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        let holder = holder(port);
        assert!(
            holder.starts_with(&format!("pid {} (", std::process::id())),
            "{holder}"
        );
    }
}
