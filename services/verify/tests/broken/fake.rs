//! All backends behind one port: one path answers a document, every other one 404.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use checks::{Checks, Driven, Driver, Lists};
use contract::Registry;
use serde_json::Value;
use tokio::sync::OnceCell;
use verify::backend::{Collector, Logs, Loki, Prometheus, Sample, Tempo, Traces};
use verify::check::{Baseline, Scene};
use verify::claims::Artifacts;
use verify::sockets::Seen;

pub(crate) struct Fake {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    baseline: Baseline,
    thread: Cell<Option<std::thread::JoinHandle<()>>>,
}

impl Fake {
    /// A text document is answered as it stands, any other as JSON.
    pub(crate) fn answering(path: &'static str, document: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&is_stopped);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                answer(connection.unwrap(), path, &document);
            }
        });
        Self {
            address,
            is_stopped,
            baseline: Baseline::default(),
            thread: Cell::new(Some(thread)),
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the port: on return nothing listens there any more.
    pub(crate) fn stop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn baseline(&mut self, promql: &str, sample: Sample) {
        self.baseline.series.insert(promql.to_owned(), vec![sample]);
    }

    pub(crate) fn gap(&mut self, signal: &'static str, gap: f64) {
        self.baseline.gaps.insert(signal, gap);
    }

    pub(crate) fn scene(&self) -> Scene {
        let base = self.address();
        let checks = Arc::new(Checks::default());
        Scene {
            traces: Traces::Tempo(Tempo::new(&base).unwrap()),
            prometheus: Prometheus::new(&base).unwrap(),
            loki: Loki::new(&base).unwrap(),
            logs: Logs::Loki(Loki::new(&base).unwrap()),
            collector: Collector::new(&base, &base, &base).unwrap(),
            driver: Driver::new(&base, Arc::clone(&checks)).unwrap(),
            driven: Driven::new(&checks, SystemTime::now()),
            checks,
            lists: Lists::default(),
            places: BTreeMap::new(),
            present: BTreeSet::from(["loki".to_owned(), "tempo".to_owned()]),
            baseline: self.baseline.clone(),
            contract: Registry::default(),
            sockets: Seen::default(),
            allowed: Vec::new(),
            cache: HashMap::new().into(),
            interval: Duration::from_secs(5),
            artifacts: Artifacts::default(),
            repository: PathBuf::new(),
            grafana: None,
            known: OnceCell::new(),
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answer(connection: TcpStream, path: &str, document: &Value) {
    let mut lines = BufReader::new(&connection).lines();
    let request = lines.next().unwrap().unwrap();
    lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
    let asked = request.split(' ').nth(1).unwrap();
    let is_known = asked.split('?').next() == Some(path);
    let body = match document {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let status = if is_known { "200 OK" } else { "404 Not Found" };
    let length = body.len();
    write!(
        &connection,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
}
