//! What the tests of this crate share: an isolated telemetry in this process, and the example as a child.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use opentelemetry::logs::{LogRecord, Logger, LoggerProvider};
use opentelemetry::trace::{Tracer, TracerProvider};
use telemetry::config::{Environment, Reader, TelemetryConfig};
use telemetry::{Service, Telemetry};
use telemetry_testing::{Child, Sink, patience};

pub(crate) const SERVICE: Service = Service {
    name: "tested",
    version: "1.2.3",
};

/// The configuration that `variables` give.
pub(crate) fn config(variables: &[(&str, String)]) -> TelemetryConfig {
    let environment: Environment = variables.iter().cloned().collect();
    let lookup = |name: &str| environment.get(name);
    let mut reader = Reader::new(&lookup);
    let config = TelemetryConfig::read(&mut reader, SERVICE);
    reader.finish().unwrap();
    config
}

/// Telemetry of one test, on a log directory of its own.
pub(crate) struct Isolated {
    pub(crate) telemetry: Telemetry,
    /// Lives as long as the telemetry that writes into it.
    _logs: tempfile::TempDir,
}

impl Isolated {
    /// Sends to `sink`; batches leave at once, metrics only when the test flushes.
    pub(crate) fn start(sink: &Sink, more: &[(&str, &str)]) -> Self {
        Self::start_at(&sink.endpoint(), more)
    }

    pub(crate) fn start_at(endpoint: &str, more: &[(&str, &str)]) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let dir = logs.path().display().to_string();
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
            ("OTEL_BLRP_SCHEDULE_DELAY", "10".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "600000".to_owned()),
            ("SHOP_LOG_DIR", dir),
        ];
        variables.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let telemetry = Telemetry::isolated(&config(&variables)).unwrap();
        Self {
            telemetry,
            _logs: logs,
        }
    }

    pub(crate) fn spans(&self, count: usize) {
        let tracer = self.telemetry.tracers().tracer("test");
        for _ in 0..count {
            tracer.in_span("work", |_| ());
        }
    }

    /// Below the root logger: exactly these records and no other.
    pub(crate) fn records(&self, count: usize) {
        let logger = self.telemetry.loggers().logger("test");
        for _ in 0..count {
            let mut record = logger.create_log_record();
            record.set_body("worked".into());
            logger.emit(record);
        }
    }
}

/// The example `greeter`, exporting to `endpoint` every 100 ms.
pub(crate) fn greeter(endpoint: &str, more: &[(&str, &str)]) -> Child {
    Child::spawn(&greeter_path(), &variables(endpoint, more))
}

pub(crate) fn variables<'a>(endpoint: &str, more: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let own = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    let all = own.iter().chain(more);
    all.map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

/// `cargo test -p telemetry` builds the example beside its tests; with `--test it` an older one is found.
pub(crate) fn greeter_path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples").join("greeter")
}

/// One request to the example.
pub(crate) fn greet(address: SocketAddr) {
    let stream = begin(address);
    end(stream);
}

/// A request that runs, inside its span, until [`end`].
pub(crate) fn begin(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(patience())).unwrap();
    hear(&stream, "Your name?\n");
    stream
}

pub(crate) fn end(mut stream: TcpStream) {
    stream.write_all(b"Ada\n").unwrap();
    hear(&stream, "Hello, Ada!\n");
}

fn hear(stream: &TcpStream, expected: &str) {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line, expected);
}
