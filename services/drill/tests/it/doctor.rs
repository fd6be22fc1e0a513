//! Facts in, the hop out: each case is a healthy order with one fact changed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use drill::doctor::{Facts, Flow, Running, SERVICES, Signal, State, judge};
use drill::place::Place;
use drill::shop::Answer;
use serde_json::{Value, json};
use verify::backend::LogLine;
use verify::trace::{Kind, Span, Trace};

const COMPONENTS: [&str; 9] = [
    "product",
    "inventory",
    "order",
    "gateway",
    "otel-collector",
    "tempo",
    "loki",
    "prometheus",
    "promtail",
];

fn began() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn span(service: &str) -> Span {
    Span {
        span_id: service.into(),
        start: 1_800_000_000_010_000_000,
        end: 1_800_000_000_020_000_000,
        ..Span::of_service(service, Kind::Server, "x")
    }
}

fn line(lane: &str, job: &str) -> LogLine {
    let labels = [("service_name", "order"), ("lane", lane), ("job", job)];
    let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
    LogLine {
        at: 1,
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
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
    let opened = |kind: &str| (kind.to_owned(), Ok(String::new()));
    Facts {
        components: COMPONENTS.map(|name| (name, ready.clone())).into(),
        order: Ok(Answer {
            status: 201,
            trace_id: "a".into(),
            body: Value::Null,
            began: began(),
            took: Duration::from_millis(50),
        }),
        flow: Ok(Signal::ALL.map(|signal| (signal, moved)).into()),
        is_archived: false,
        trace: Ok(Some(Trace::new(SERVICES.map(span).into()))),
        lines: Ok(vec![line("otlp", ""), line("file", "rust_app_logs")]),
        newest: Ok(SERVICES
            .map(|service| (service.to_owned(), 1_800_000_001.0))
            .into()),
        is_in_file: Some(true),
        links: ["trace", "logs", "metrics"].map(opened).into(),
        settings: BTreeMap::new(),
        otlp: "http://127.0.0.1:4318".into(),
    }
}

/// The broken hops, and the words about the first.
fn broken(change: impl FnOnce(&mut Facts)) -> (Vec<String>, String) {
    let mut facts = healthy();
    change(&mut facts);
    let mut names = Vec::new();
    let mut words = String::new();
    for hop in judge(&facts, &Place::Main)
        .into_iter()
        .flat_map(|chain| chain.hops)
    {
        if let State::Broken { seen, remedy } = hop.state {
            if names.is_empty() {
                words = format!("{seen} | {remedy}");
            }
            names.push(hop.name);
        }
    }
    (names, words)
}

fn stopped(facts: &mut Facts, name: &'static str) {
    let running = Running {
        is_ready: false,
        note: "it is stopped".into(),
    };
    facts.components.insert(name, running);
}

fn stuck(facts: &mut Facts, signal: Signal) {
    let flow = facts.flow.as_mut().unwrap().get_mut(&signal).unwrap();
    flow.sent = 0.0;
    flow.queued = 9.0;
}

#[test]
fn a_healthy_order_has_no_broken_hop() {
    assert_eq!(broken(|_| {}).0, Vec::<String>::new());
}

#[test]
fn a_stopped_service_ends_the_judgement_and_says_how_to_start_it() {
    let (names, words) = broken(|facts| {
        stopped(facts, "product");
        facts.trace = Ok(None);
        facts.order = Err("does not answer".into());
    });
    assert_eq!(names, ["product runs"]);
    assert_eq!(words, "it is stopped | just run");
}

#[test]
fn without_the_collector_only_the_file_lane_is_judged_beside_it() {
    let (names, words) = broken(|facts| {
        stopped(facts, "otel-collector");
        facts.flow = Err("refused".into());
        facts.trace = Ok(None);
    });
    assert_eq!(names, ["otel-collector runs"]);
    assert!(words.ends_with("just up"), "{words}");
}

fn silent(facts: &mut Facts, service: &str) {
    let others = SERVICES.into_iter().filter(|other| *other != service);
    facts.trace = Ok(Some(Trace::new(others.map(span).collect())));
    facts.newest.as_mut().unwrap().remove(service);
}

#[test]
fn a_service_that_sends_elsewhere_is_named_with_both_addresses() {
    let (names, words) = broken(|facts| {
        silent(facts, "product");
        let own = [(
            "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
            "http://127.0.0.9:4318".to_owned(),
        )];
        facts.settings.insert("product", own.into());
    });
    assert_eq!(names, ["product → otel-collector"]);
    assert!(
        words.contains("127.0.0.9:4318") && words.contains("127.0.0.1:4318"),
        "{words}"
    );
}

#[test]
fn an_order_that_no_backend_shows_does_not_blame_the_services() {
    let (names, _) = broken(|facts| {
        facts.trace = Ok(None);
        facts.newest = Ok(BTreeMap::new());
        stuck(facts, Signal::Traces);
        stuck(facts, Signal::Metrics);
    });
    assert_eq!(
        names,
        ["otel-collector → tempo", "otel-collector → prometheus"]
    );
}

#[test]
fn a_service_under_another_name_is_told_from_one_that_sends_nothing() {
    let (names, words) = broken(|facts| {
        silent(facts, "product");
        if let Ok(Some(trace)) = &mut facts.trace {
            trace.spans.push(span("prodcut"));
        }
    });
    assert_eq!(names, ["product says its name"]);
    assert!(words.contains("prodcut"), "{words}");
}

#[test]
fn a_clock_that_is_ahead_is_named_with_its_distance() {
    let (names, words) = broken(|facts| {
        if let Ok(Some(trace)) = &mut facts.trace {
            trace.spans[1].start += 3_600_000_000_000;
        }
    });
    assert_eq!(names, ["the clocks agree"]);
    assert!(words.contains("3600 s ahead"), "{words}");
}

#[test]
fn each_exporter_that_is_cut_is_named_alone() {
    for (signal, hop) in [
        (Signal::Traces, "otel-collector → tempo"),
        (Signal::Logs, "otel-collector → loki"),
        (Signal::Metrics, "otel-collector → prometheus"),
    ] {
        let (names, words) = broken(|facts| stuck(facts, signal));
        assert_eq!(names, [hop]);
        assert!(words.contains("9 waiting"), "{words}");
    }
}

#[test]
fn a_stopped_backend_is_named_rather_than_the_exporter_to_it() {
    let (names, _) = broken(|facts| {
        stopped(facts, "prometheus");
        stuck(facts, Signal::Metrics);
        facts.newest = Err("does not answer".into());
    });
    assert_eq!(names, ["prometheus runs"]);
}

#[test]
fn the_file_lane_is_judged_for_itself() {
    let (names, _) = broken(|facts| stopped(facts, "promtail"));
    assert_eq!(names, ["promtail runs"]);
    let (names, _) = broken(|facts| facts.lines = Ok(vec![line("otlp", "")]));
    assert_eq!(names, ["promtail → loki"]);
    let (names, _) = broken(|facts| facts.is_in_file = Some(false));
    assert_eq!(names, ["order writes its file"]);
}

#[test]
fn lines_without_their_lane_are_found_and_told_from_no_lines() {
    let (names, _) = broken(|facts| facts.lines.as_mut().unwrap()[0] = line("", ""));
    assert_eq!(names, ["the lines have lane=otlp"]);
    let (names, _) = broken(|facts| facts.lines = Ok(vec![line("file", "rust_app_logs")]));
    assert_eq!(names, ["loki has the lines"]);
}

#[test]
fn a_refused_order_is_named_with_its_trace() {
    let (names, words) = broken(|facts| {
        if let Ok(answer) = &mut facts.order {
            answer.status = 503;
            answer.body = json!({"detail": "too busy"});
        }
    });
    assert_eq!(names, ["gateway takes an order"]);
    assert_eq!(words, "it answered 503: too busy | just trace a");
}

#[test]
fn a_dead_link_is_named() {
    let (names, _) = broken(|facts| {
        facts.links.insert("logs".into(), Err("404".into()));
    });
    assert_eq!(names, ["the link to the logs opens"]);
}
