//! Who sends: the resource of all three signals.

use std::fs;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_semantic_conventions::SCHEMA_URL;
use opentelemetry_semantic_conventions::attribute::{
    DEPLOYMENT_ENVIRONMENT_NAME, HOST_NAME, OS_TYPE, PROCESS_PID, SERVICE_INSTANCE_ID,
    SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION,
};
use uuid::Uuid;

use crate::config::TelemetryConfig;

/// Builds the resource. `OTEL_RESOURCE_ATTRIBUTES` wins over what is found here, except over the name (see the configuration).
///
/// Left out on purpose: the command line, which may carry secrets.
pub(crate) fn build(config: &TelemetryConfig) -> Resource {
    let found = [
        KeyValue::new(SERVICE_NAMESPACE, "shop"),
        KeyValue::new(SERVICE_VERSION, config.service.version),
        // Ordered by time, so that the instances of one service sort by their start.
        KeyValue::new(SERVICE_INSTANCE_ID, Uuid::now_v7().to_string()),
        KeyValue::new(DEPLOYMENT_ENVIRONMENT_NAME, config.environment.clone()),
        KeyValue::new(PROCESS_PID, i64::from(std::process::id())),
        KeyValue::new(OS_TYPE, os_type()),
    ];
    let given = config.resource_attributes.iter();
    let given = given.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let attributes = found
        .into_iter()
        .chain(host_name().map(|name| KeyValue::new(HOST_NAME, name)))
        .chain(given);
    // Not `Resource::builder()`: its detector reads the same variables without decoding them.
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_schema_url(attributes, SCHEMA_URL)
        .with_attribute(KeyValue::new(SERVICE_NAME, config.service_name.clone()))
        .build()
}

/// The conventions' name of the system Rust calls `macos` is `darwin`; the others are the same.
fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// Linux only: elsewhere it would take a system call that safe Rust does not have, and the attribute is left out.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
