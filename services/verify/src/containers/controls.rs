//! What each container must have, and the exceptions with their reasons.

use super::inspect::Container;

/// Reads the engine's log files, which belong to root; without a capability uid 0 can do nothing else.
const READS_AS_ROOT: &str = "promtail";
/// Without a Tempo the Collector keeps the traces in a directory of the host.
const KEEPS_ARCHIVE: &str = "otel-collector";

/// A control by its name, and whether a container has it.
type Control = (&'static str, fn(&Container) -> bool);

pub(super) const CONTROLS: &[Control] = &[
    ("it runs as root", |c| {
        let is_root = matches!(c.user.split(':').next(), Some("" | "0" | "root") | None);
        !is_root || c.service == READS_AS_ROOT
    }),
    ("its root is writable", |c| c.is_read_only),
    ("it is privileged", |c| !c.is_privileged),
    ("it keeps capabilities", |c| {
        c.dropped.iter().any(|name| name == "ALL") && c.added.is_empty()
    }),
    ("it may gain privileges", |c| {
        let wanted = ["no-new-privileges:true", "no-new-privileges"];
        c.security.iter().any(|option| wanted.contains(&&**option))
    }),
    ("its memory has no limit", |c| c.memory > 0),
    ("its processors have no limit", |c| c.nano_cpus > 0),
    ("its processes have no limit", |c| c.processes > 0),
    ("it shares a namespace of the host", |c| {
        !c.namespaces.iter().any(|mode| mode == "host")
    }),
    ("it sees the engine's socket", |c| {
        !c.mounts.iter().any(|m| m.source.ends_with("docker.sock"))
    }),
    ("it writes into the host", |c| {
        let mut binds = c.mounts.iter().filter(|m| m.is_bind && m.is_writable);
        binds.all(|m| c.service == KEEPS_ARCHIVE && m.destination == "/data")
    }),
    ("it is published beyond loopback", |c| {
        c.published
            .iter()
            .all(|place| place.starts_with("127.0.0.1:"))
    }),
    ("its log grows without end", |c| !c.log_size.is_empty()),
];

/// The names of the controls that `container` lacks.
pub(super) fn broken(container: &Container) -> Vec<&'static str> {
    CONTROLS
        .iter()
        .filter(|(_, holds)| !holds(container))
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn confined() -> Value {
        json!({
            "Config": {"User": "10001", "Labels": {"com.docker.compose.service": "loki"}},
            "HostConfig": {
                "ReadonlyRootfs": true,
                "Privileged": false,
                "CapDrop": ["ALL"],
                "CapAdd": null,
                "SecurityOpt": ["no-new-privileges:true"],
                "Memory": 1 << 29,
                "NanoCpus": 2_000_000_000,
                "PidsLimit": 256,
                "NetworkMode": "otel-shop_telemetry",
                "PidMode": "",
                "IpcMode": "private",
                "PortBindings": {"3100/tcp": [{"HostIp": "127.0.0.1", "HostPort": "3100"}]},
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
            },
            "Mounts": [{"Type": "bind", "Source": "/shop/loki", "Destination": "/etc/loki", "RW": false}],
        })
    }

    fn broken_by(pointer: &str, value: Value) -> Vec<&'static str> {
        let mut inspected = confined();
        *inspected.pointer_mut(pointer).unwrap() = value;
        broken(&Container::parse(&inspected).unwrap())
    }

    #[test]
    fn a_confined_container_lacks_nothing() {
        let container = Container::parse(&confined()).unwrap();
        assert_eq!(broken(&container), Vec::<&str>::new());
    }

    #[test]
    fn each_control_is_missed_when_it_is_gone() {
        let bind = |source: &str, is_writable: bool| json!([{"Type": "bind", "Source": source, "Destination": "/x", "RW": is_writable}]);
        let everywhere = json!({"3100/tcp": [{"HostIp": "", "HostPort": "3100"}]});
        let gone = [
            ("/Config/User", json!("")),
            ("/HostConfig/ReadonlyRootfs", json!(false)),
            ("/HostConfig/Privileged", json!(true)),
            ("/HostConfig/CapDrop", json!(["NET_RAW"])),
            ("/HostConfig/SecurityOpt", Value::Null),
            ("/HostConfig/Memory", json!(0)),
            ("/HostConfig/NanoCpus", json!(0)),
            ("/HostConfig/PidsLimit", Value::Null),
            ("/HostConfig/NetworkMode", json!("host")),
            ("/Mounts", bind("/var/run/docker.sock", false)),
            ("/Mounts", bind("/home", true)),
            ("/HostConfig/PortBindings", everywhere),
            ("/HostConfig/LogConfig/Config", json!({})),
        ];
        assert_eq!(gone.len(), CONTROLS.len());
        for ((pointer, value), (name, _)) in gone.into_iter().zip(CONTROLS) {
            assert_eq!(broken_by(pointer, value), [*name], "{pointer}");
        }
    }

    #[test]
    fn a_capability_that_is_added_counts_too() {
        let added = broken_by("/HostConfig/CapAdd", json!(["DAC_READ_SEARCH"]));
        assert_eq!(added, ["it keeps capabilities"]);
    }

    #[test]
    fn only_promtail_may_be_root() {
        let mut inspected = confined();
        inspected["Config"]["User"] = json!("0:0");
        assert_eq!(
            broken(&Container::parse(&inspected).unwrap()),
            ["it runs as root"]
        );
        inspected["Config"]["Labels"]["com.docker.compose.service"] = json!("promtail");
        assert!(broken(&Container::parse(&inspected).unwrap()).is_empty());
    }
}
