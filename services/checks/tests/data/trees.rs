//! Golden trees against traces that differ in one span.

use checks::tree::{Span, absent, compare, has, parse};

/// Spans from a tree text; ids are line numbers.
fn spans(text: &str) -> Vec<Span> {
    let mut found: Vec<(usize, Span)> = Vec::new();
    for line in parse(text).unwrap() {
        let above = found
            .iter()
            .rev()
            .find(|(depth, _)| *depth + 1 == line.depth);
        let span = Span {
            id: found.len().to_string(),
            parent: above.map(|(_, span)| span.id.clone()),
            title: line.title.clone(),
            is_error: line.is_error,
            duration: line.least.unwrap_or_default(),
            attributes: line.attributes.iter().cloned().collect(),
        };
        found.push((line.depth, span));
    }
    found.into_iter().map(|(_, span)| span).collect()
}

const GOLDEN: &str = "
SERVER a [x]
  CLIENT b [x] ERROR error.type=500
    SERVER b [y] ERROR
? CLIENT c [x]
";

#[test]
fn a_tree_has_exactly_its_lines() {
    let cases = [
        (
            "SERVER a [x]\n  CLIENT b [x] ERROR error.type=500\n    SERVER b [y] ERROR",
            None,
        ),
        (
            "SERVER a [x]\n  CLIENT c [x]\n  CLIENT b [x] ERROR error.type=500\n    SERVER b [y] ERROR",
            None,
        ),
        (
            "SERVER a [x]\n  CLIENT b [x] ERROR\n    SERVER b [y] ERROR",
            Some("CLIENT b [x]: error.type is None instead of \"500\""),
        ),
        (
            "SERVER a [x]\n  CLIENT b [x] ERROR error.type=500",
            Some("no SERVER b [y] ERROR below CLIENT b [x] ERROR"),
        ),
        (
            "SERVER a [x]\n  CLIENT b [x] ERROR error.type=500\n    SERVER b [y]",
            Some("no SERVER b [y] ERROR"),
        ),
        (
            "SERVER a [x]\n  CLIENT b [x] ERROR error.type=500\n    SERVER b [y] ERROR\n    SERVER b [y] ERROR",
            Some("unexpected SERVER b [y] ERROR"),
        ),
        (
            "SERVER a [x]\n  CLIENT b [x] ERROR error.type=500\n    SERVER b [y] ERROR\nSERVER d [x]",
            Some("unexpected SERVER d [x] at the root"),
        ),
    ];
    for (actual, difference) in cases {
        let compared = compare(GOLDEN, &spans(actual));
        match difference {
            None => assert_eq!(compared.clone().err(), None, "{actual}"),
            Some(text) => assert!(
                compared.clone().is_err_and(|state| state.contains(text)),
                "{actual}: {compared:?}"
            ),
        }
    }
}

#[test]
fn spans_without_their_parent_and_loops_are_differences() {
    let mut lost = spans(GOLDEN);
    lost.remove(1);
    let state = compare(GOLDEN, &lost).unwrap_err();
    assert!(state.starts_with("3 differences"), "{state}");
    let mut looped = spans("SERVER a [x]\n  CLIENT b [x]");
    looped[0].parent = Some("1".to_owned());
    assert!(compare("SERVER a [x]\n  CLIENT b [x]", &looped).is_err());
}

#[test]
fn a_fragment_is_found_where_its_children_are_direct() {
    let trace = spans(
        "SERVER a [x]\n  INTERNAL i [x]\n    CLIENT b [x] rpc=OK >=2s\n      SERVER b [y] ERROR",
    );
    let cases = [
        ("CLIENT b [x] rpc=OK\n  SERVER b [y] ERROR", ""),
        ("* b [x] >=2s", ""),
        ("INTERNAL i [x]\nSERVER b [y] ERROR", ""),
        (
            "SERVER a [x]\n  CLIENT b [x]",
            "no CLIENT b [x] below SERVER a [x]",
        ),
        (
            "CLIENT b [x] rpc=INTERNAL",
            "rpc is Some(\"OK\") instead of \"INTERNAL\"",
        ),
        ("CLIENT b [x] >=5s", "took 2s instead of 5s"),
        ("SERVER b [y]", "status is ERROR"),
        ("SERVER c [y]", "no SERVER c [y]; 4 spans"),
    ];
    for (fragment, word) in cases {
        match has(fragment, &trace) {
            Ok(_) => assert_eq!(word, "", "{fragment}"),
            Err(state) => assert!(
                !word.is_empty() && state.contains(word),
                "{fragment}: {state}"
            ),
        }
    }
    assert!(absent("* ERROR", &trace).is_err());
    assert!(absent("INTERNAL * ERROR", &trace).is_ok());
}

#[test]
fn a_line_of_another_form_is_an_error() {
    for text in [
        "SERVER a",
        "   SERVER a [x]",
        "SERVER a [x]\n    CLIENT b [x]",
        "SERVER a [x] >=soon",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}
