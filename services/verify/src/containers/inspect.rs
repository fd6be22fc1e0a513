//! A container as the engine describes it.

use std::fmt;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// Where something of the host is seen inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub is_bind: bool,
    pub source: String,
    pub destination: String,
    pub is_writable: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Container {
    pub service: String,
    pub user: String,
    pub is_read_only: bool,
    pub is_privileged: bool,
    pub dropped: Vec<String>,
    pub added: Vec<String>,
    pub security: Vec<String>,
    /// Bytes, 0 for no limit; likewise the next two.
    pub memory: i64,
    pub nano_cpus: i64,
    pub processes: i64,
    /// Modes of the network, process and IPC namespaces.
    pub namespaces: Vec<String>,
    pub mounts: Vec<Mount>,
    /// `address:port` of the host.
    pub published: Vec<String>,
    pub log_size: String,
}

// === impl Container ===

impl Container {
    pub(super) fn parse(inspected: &Value) -> anyhow::Result<Self> {
        let host = &inspected["HostConfig"];
        let config = &inspected["Config"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = |value: &Value| value.as_i64().unwrap_or_default();
        let list = |value: &Value| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            items.map(text).collect()
        };
        let mounts = inspected["Mounts"].as_array().into_iter().flatten();
        let mount = |value: &Value| Mount {
            is_bind: value["Type"] == "bind",
            source: text(&value["Source"]),
            destination: text(&value["Destination"]),
            is_writable: value["RW"] == true,
        };
        let bindings = host["PortBindings"].as_object().into_iter().flatten();
        let published = bindings
            .flat_map(|(_, places)| places.as_array().into_iter().flatten())
            .map(|place| format!("{}:{}", text(&place["HostIp"]), text(&place["HostPort"])));
        let service = text(&config["Labels"]["com.docker.compose.service"]);
        if service.is_empty() {
            bail!("a container without the label com.docker.compose.service");
        }
        Ok(Self {
            service,
            user: text(&config["User"]),
            is_read_only: host["ReadonlyRootfs"] == true,
            is_privileged: host["Privileged"] == true,
            dropped: list(&host["CapDrop"]),
            added: list(&host["CapAdd"]),
            security: list(&host["SecurityOpt"]),
            memory: number(&host["Memory"]),
            nano_cpus: number(&host["NanoCpus"]),
            processes: number(&host["PidsLimit"]),
            namespaces: ["NetworkMode", "PidMode", "IpcMode"]
                .map(|name| text(&host[name]))
                .to_vec(),
            mounts: mounts.map(mount).collect(),
            published: published.collect(),
            log_size: text(&host["LogConfig"]["Config"]["max-size"]),
        })
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |is_writable: bool| {
            let mounts = self.mounts.iter();
            let places: Vec<&str> = mounts
                .filter(|mount| mount.is_writable == is_writable)
                .map(|mount| &*mount.destination)
                .collect();
            match places.is_empty() {
                true => "nothing".to_owned(),
                false => places.join(" "),
            }
        };
        write!(
            f,
            "user {}, {} root, -{} +{}, {}, {} MiB, {} CPUs, {} processes; writes {}, reads {}; {}",
            if self.user.is_empty() {
                "root"
            } else {
                &self.user
            },
            if self.is_read_only {
                "read-only"
            } else {
                "writable"
            },
            self.dropped.join(","),
            self.added.join(","),
            self.security.join(","),
            self.memory >> 20,
            self.nano_cpus as f64 / 1e9,
            self.processes,
            names(true),
            names(false),
            self.published.join(" "),
        )
    }
}

/// The containers that compose has made for `project`, in the order of their names.
pub(super) fn of_project(project: &str) -> anyhow::Result<Vec<Container>> {
    let label = format!("label=com.docker.compose.project={project}");
    let ids = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label])?;
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let inspected = docker(&[&["inspect"], &*ids].concat())?;
    let inspected: Vec<Value> = serde_json::from_str(&inspected)?;
    let mut containers = inspected
        .iter()
        .map(Container::parse)
        .collect::<anyhow::Result<Vec<_>>>()?;
    containers.sort_by(|a, b| a.service.cmp(&b.service));
    Ok(containers)
}

fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .context("starting docker")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("docker {}: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
