//! Each rule holds for what is right, and names what is wrong.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::trace::sample::span;

const ID: &str = "0af7651916cd43dd8448eb211c80319c";

fn run(scenario: &str, status: &str, id: &str) -> Run {
    Run {
        scenario: scenario.to_owned(),
        status: status.to_owned(),
        verdict: "as expected".to_owned(),
        trace_id: id.to_owned(),
        links: BTreeMap::new(),
        ..Run::default()
    }
}

fn wrong(judged: Judged, word: &str) {
    let state = judged.unwrap_err();
    assert!(state.contains(word), "{state}");
}

#[test]
fn a_page_that_writes_to_the_console_does_not_load_well() {
    assert!(loaded(&[], "OTel Shop: scenarios").is_ok());
    let refused = "Refused to load the script '/page.js'".to_owned();
    wrong(loaded(&[refused], "OTel Shop: scenarios"), "page.js");
    wrong(loaded(&[], "404"), "404");
}

#[test]
fn only_failed_scenarios_may_be_on_the_console() {
    let at = "http://127.0.0.1:8080";
    let missing = |url: &str| vec![format!("{url} - Failed to load resource: 404")];
    assert!(quiet(&missing(&format!("{at}/api/scenarios/normal")), at).is_ok());
    assert!(quiet(&missing("http://127.0.0.1:3100/favicon.ico"), at).is_ok());
    wrong(quiet(&missing(&format!("{at}/icon.svg")), at), "icon.svg");
    let error = format!("{at}/page.js 8:1 Uncaught TypeError");
    wrong(quiet(&[error], at), "TypeError");
    wrong(quiet(&["Uncaught TypeError".to_owned()], at), "TypeError");
}

#[test]
fn a_policy_that_lets_one_attempt_through_fails() {
    let attempts = |refused: &[&str], got_through: &[&str]| Attempts {
        refused: refused.iter().map(|&word| word.to_owned()).collect(),
        got_through: got_through.iter().map(|&word| word.to_owned()).collect(),
    };
    let all = ["require-trusted-types-for", "connect-src", "img-src"];
    assert!(policy(&attempts(&all, &[])).is_ok());
    wrong(policy(&attempts(&all, &["markup"])), "markup");
    wrong(policy(&attempts(&all[..2], &[])), "img-src");
}

#[test]
fn tab_must_stop_at_each_button_and_show_it() {
    let mut stops: Vec<_> = SCENARIOS
        .iter()
        .map(|(name, _)| Focus {
            is: (*name).to_owned(),
            is_visible: true,
            ..Focus::default()
        })
        .collect();
    assert!(tab_order(&stops).is_ok());
    stops[3].is_visible = false;
    stops[3].outline = "none 0px".to_owned();
    wrong(tab_order(&stops), "long-request has the outline none");
    stops.swap(0, 1);
    wrong(tab_order(&stops), "product-error");
    wrong(tab_order(&[]), "[]");
}

#[test]
fn a_run_shows_its_status_and_a_real_trace_id() {
    assert!(status(Some(&run("normal", "201", ID)), 201).is_ok());
    wrong(status(Some(&run("normal", "502", ID)), 201), "502");
    wrong(status(Some(&run("normal", "201", "")), 201), "trace ID");
    let zeros = "0".repeat(32);
    wrong(status(Some(&run("normal", "201", &zeros)), 201), "trace ID");
    let mut unexpected = run("normal", "201", ID);
    unexpected.verdict = "expected 502".to_owned();
    wrong(status(Some(&unexpected), 201), "expected 502");
    wrong(status(None, 201), "no row");
}

#[test]
fn each_run_is_announced_twice() {
    let mut said: Vec<_> = SCENARIOS
        .iter()
        .flat_map(|(name, status)| {
            [
                format!("Running {name}…"),
                format!("{name}: status {status}, as expected."),
            ]
        })
        .collect();
    assert!(announced(&said).is_ok());
    said.pop();
    wrong(announced(&said), "out-of-stock: status 409");
}

#[test]
fn earlier_results_must_stay_as_they_were() {
    let [a, b] = ["a", "b"].map(|id| run("normal", "201", id));
    let earlier = [a.clone()];
    assert!(kept(&earlier, &[b.clone(), a.clone()]).is_ok());
    wrong(kept(&earlier, &[a.clone(), b.clone()]), "became");
    wrong(kept(&earlier, &earlier), "became");
    wrong(kept(&[], &[]), "no results");
    wrong(kept(&earlier, &[a.clone(), a]), "1 trace IDs of 2");
    wrong(kept(&earlier, &[b]), "became");
}

#[test]
fn a_trace_is_that_of_its_run() {
    let mut root = span("a", None, "gateway", Kind::Server, ROOT);
    let code = "http.response.status_code".to_owned();
    root.attributes.insert(code, 201.into());
    let mut business = span("b", Some("a"), "gateway", Kind::Internal, "scenario.run");
    let key = "shop.scenario".to_owned();
    business.attributes.insert(key, "normal".into());
    let whole = Trace::new(vec![root.clone(), business.clone()]);
    assert!(trace(&whole, "normal", 201).is_ok());
    wrong(trace(&whole, "long-request", 201), "normal");
    wrong(trace(&whole, "normal", 502), "201");
    wrong(trace(&Trace::new(vec![business]), "normal", 201), "root");
    root.name = "GET /".to_owned();
    wrong(trace(&Trace::new(vec![root]), "normal", 201), "GET /");
}

#[test]
fn a_count_is_that_of_its_status() {
    let series = |status: &str, value: &str| json!({"metric": {"http_response_status_code": status}, "value": [1.5, value]});
    let answer = json!({"data": {"result": [series("201", "7"), series("502", "2")]}});
    assert_eq!(count(&answer, 502).as_deref(), Some("2"));
    assert_eq!(count(&answer, 504), None);
    assert_eq!(count(&json!({"status": "error"}), 502), None);
}

#[test]
fn nothing_may_overflow_be_cut_or_be_too_small() {
    let fit = || Fit {
        window: 360,
        client: 345,
        scroll: 345,
        shown: 9,
        ..Fit::default()
    };
    assert!(fits(&fit(), 360).is_ok());
    wrong(fits(&fit(), 768), "360 wide");
    let scroll = 346;
    wrong(fits(&Fit { scroll, ..fit() }, 360), "346 pixels");
    let which = || vec!["code.".to_owned()];
    let outside = which();
    wrong(fits(&Fit { outside, ..fit() }, 360), "outside: code");
    let cut = which();
    wrong(fits(&Fit { cut, ..fit() }, 360), "cut off: code");
    let small = which();
    wrong(fits(&Fit { small, ..fit() }, 360), "24 pixels: code");
    wrong(fits(&Fit { shown: 0, ..fit() }, 360), "0 elements");
}

#[test]
fn text_must_stand_out_in_the_scheme_that_was_asked_for() {
    let seen = |background: &str, faint: &[&str]| Contrast {
        texts: 3,
        background: background.to_owned(),
        weakest: 5.0,
        faint: faint.iter().map(|&text| text.to_owned()).collect(),
    };
    let (day, night) = ("rgb(255, 255, 255)", "rgb(20, 23, 28)");
    assert!(contrast(&seen(day, &[]), false).is_ok());
    assert!(contrast(&seen(night, &[]), true).is_ok());
    wrong(contrast(&seen(day, &[]), true), "background");
    wrong(contrast(&seen(night, &["running 2.9"]), true), "running");
}
