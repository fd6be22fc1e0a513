//! Facts in, the hop out: each row is a healthy order with one fact changed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use drill::doctor::{Facts, Flow, Running, SERVICES, Signal, State, judge};
use drill::place::Place;
use drill::shop::Answer;
use serde_json::{Value, json};
use verify::backend::LogLine;
use verify::trace::{Kind, Span, Trace};

const BACKENDS: [&str; 5] = ["otel-collector", "tempo", "loki", "prometheus", "promtail"];

fn span(service: &str) -> Span {
    Span {
        span_id: service.to_owned(),
        start: 1_800_000_000_010_000_000,
        end: 1_800_000_000_020_000_000,
        ..Span::of_service(service, Kind::Server, "x")
    }
}

fn line(lane: &str, job: &str) -> LogLine {
    let labels = [("service_name", "order"), ("lane", lane), ("job", job)];
    LogLine {
        at: 1,
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        metadata: BTreeMap::new(),
        text: "order placed".into(),
    }
}

fn healthy() -> Facts {
    let ready = Running {
        is_ready: true,
        note: String::new(),
    };
    let moved = Flow {
        accepted: 9.0,
        sent: 9.0,
        ..Flow::default()
    };
    let names = SERVICES.into_iter().chain(BACKENDS);
    Facts {
        components: names.map(|name| (name.to_owned(), ready.clone())).collect(),
        order: Ok(Answer {
            status: 201,
            trace_id: "a".into(),
            is_sampled: true,
            body: Value::Null,
            began: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            took: Duration::from_millis(50),
        }),
        flow: Ok(Signal::ALL.map(|signal| (signal, moved)).into()),
        parts: ["tempo", "loki"].map(str::to_owned).into(),
        trace: Ok(Some(Trace::new(SERVICES.map(span).into()))),
        lines: Ok(vec![line("otlp", ""), line("file", "rust_app_logs")]),
        newest: Ok(SERVICES
            .map(|service| (service.to_owned(), 1_800_000_001.0))
            .into()),
        is_in_file: Some(true),
        links: ["trace", "logs", "metrics"]
            .map(|kind| (kind.to_owned(), Ok(String::new())))
            .into(),
        settings: BTreeMap::new(),
        otlp: "http://127.0.0.1:4318".into(),
    }
}

fn stop(facts: &mut Facts, name: &str) {
    let note = "it is stopped".into();
    facts.components.insert(
        name.to_owned(),
        Running {
            is_ready: false,
            note,
        },
    );
}

fn block(facts: &mut Facts, signal: Signal) {
    let flow = facts.flow.as_mut().unwrap().get_mut(&signal).unwrap();
    (flow.sent, flow.queued) = (0.0, 9.0);
}

/// Nothing of product arrives.
fn silence(facts: &mut Facts) {
    let others = SERVICES.into_iter().filter(|service| *service != "product");
    facts.trace = Ok(Some(Trace::new(others.map(span).collect())));
    facts.newest.as_mut().unwrap().remove("product");
}

type Change = fn(&mut Facts);

/// What changes, the broken hops, and words of the first one's state and remedy.
const CASES: &[(Change, &[&str], &str)] = &[
    (|_| {}, &[], ""),
    (
        |facts| {
            stop(facts, "product");
            facts.trace = Ok(None);
            facts.order = Err("does not answer".into());
        },
        &["product runs"],
        "it is stopped | just run",
    ),
    (
        |facts| {
            let answer = facts.order.as_mut().unwrap();
            (answer.status, answer.body) = (503, json!({"detail": "too busy"}));
        },
        &["gateway takes an order"],
        "it answered 503: too busy, trace a | just logs gateway",
    ),
    (
        |facts| {
            stop(facts, "otel-collector");
            facts.flow = Err("refused".into());
            facts.trace = Ok(None);
        },
        &["otel-collector runs"],
        "just up",
    ),
    (
        |facts| {
            silence(facts);
            let own = [(
                "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
                "http://127.0.0.9:4318".to_owned(),
            )];
            facts.settings.insert("product".to_owned(), own.into());
        },
        &["product → otel-collector"],
        "127.0.0.9:4318, but the Collector listens on http://127.0.0.1:4318",
    ),
    // No backend shows any service: none of them is to blame.
    (
        |facts| {
            facts.trace = Ok(None);
            facts.newest = Ok(BTreeMap::new());
            block(facts, Signal::Traces);
            block(facts, Signal::Metrics);
        },
        &["otel-collector → tempo", "otel-collector → prometheus"],
        "9 waiting",
    ),
    (
        |facts| {
            silence(facts);
            facts
                .trace
                .as_mut()
                .unwrap()
                .as_mut()
                .unwrap()
                .spans
                .push(span("prodcut"));
        },
        &["product says its name"],
        "prodcut",
    ),
    (
        |facts| facts.trace.as_mut().unwrap().as_mut().unwrap().spans[1].start += 3_600_000_000_000,
        &["the clocks agree"],
        "3600 s ahead",
    ),
    (
        |facts| {
            facts.trace = Ok(None);
            block(facts, Signal::Traces);
            facts.order.as_mut().unwrap().is_sampled = false;
        },
        &["the order is sampled"],
        "set OTEL_TRACES_SAMPLER=",
    ),
    (
        |facts| block(facts, Signal::Traces),
        &["otel-collector → tempo"],
        "9 waiting",
    ),
    (
        |facts| block(facts, Signal::Logs),
        &["otel-collector → loki"],
        "9 waiting",
    ),
    (
        |facts| block(facts, Signal::Metrics),
        &["otel-collector → prometheus"],
        "9 waiting",
    ),
    (
        |facts| {
            stop(facts, "prometheus");
            block(facts, Signal::Metrics);
            facts.newest = Err("does not answer".into());
        },
        &["prometheus runs"],
        "just up",
    ),
    (
        |facts| stop(facts, "promtail"),
        &["promtail runs"],
        "just up",
    ),
    (
        |facts| facts.lines = Ok(vec![line("otlp", "")]),
        &["promtail → loki"],
        "just logs promtail",
    ),
    (
        |facts| facts.is_in_file = Some(false),
        &["order writes its file"],
        "df -h",
    ),
    (
        |facts| facts.lines.as_mut().unwrap()[0] = line("", ""),
        &["the lines have lane=otlp"],
        "transform/lane",
    ),
    (
        |facts| facts.lines = Ok(vec![line("file", "rust_app_logs")]),
        &["loki has the lines"],
        "no line of the order",
    ),
    (
        |facts| {
            facts.links.insert("logs".into(), Err("404".into()));
        },
        &["the link to the logs opens"],
        "404 | just logs gateway",
    ),
    (
        |facts| {
            facts.parts.remove("loki");
            facts.lines = Err("refused".into());
            facts.links.remove("logs");
            block(facts, Signal::Logs);
        },
        &["otel-collector → log archive"],
        "9 waiting",
    ),
];

#[test]
fn the_hop_that_is_broken_is_named_with_its_remedy() {
    for (change, hops, words) in CASES {
        let mut facts = healthy();
        change(&mut facts);
        let chains = judge(&facts, &Place::Main).unwrap();
        let broken = chains
            .into_iter()
            .flat_map(|chain| chain.hops)
            .filter_map(|hop| match hop.state {
                State::Broken { seen, remedy } => Some((hop.name, format!("{seen} | {remedy}"))),
                _ => None,
            });
        let (names, states): (Vec<_>, Vec<_>) = broken.unzip();
        assert_eq!(names, *hops);
        let first = states.first().map(String::as_str).unwrap_or_default();
        assert!(first.contains(words), "{hops:?}: {first}");
    }
}
