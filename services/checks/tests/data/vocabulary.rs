//! Files that are wrong in one line: each error names file, line and word.

use std::fs;
use std::path::Path;

use checks::{Checks, Lists};

fn lists() -> Lists {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Lists {
        services: words(&["gateway", "product", "inventory", "order"]),
        databases: words(&["product", "inventory", "order"]),
        calls: vec![("gateway".to_owned(), "order".to_owned())],
    }
}

#[test]
fn the_shipped_rows_are_read_and_each_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checks = Checks::read(&root, &lists()).unwrap();
    assert!(checks.rows.len() > 150, "{}", checks.rows.len());
    assert!(
        checks
            .rows
            .iter()
            .any(|row| row.name == "Tempo answers /api/traces/{id}")
    );
    let after: Vec<_> = checks
        .rows
        .iter()
        .filter(|row| row.name.starts_with("product: alive by"))
        .collect();
    assert_eq!(after.len(), 4);
}

/// Each of these files is wrong in one line.
#[test]
fn what_is_wrong_is_named_with_its_file_and_line() {
    let cases = [
        (
            "close:\n- name: a\n  promql: up\n  moves: 1",
            "checks/x.yaml:2: unknown field `moves`",
        ),
        (
            "later:\n- name: a",
            "checks/x.yaml: unknown variant `later`",
        ),
        ("close: []", "checks/x.yaml:1: no row"),
        ("", "x.yaml:1: the file is empty"),
        (
            "close:\n- name: a\n  promql: up\n  absent: true\n- name: b\n  promql: up",
            "checks/x.yaml:5: a row has one verdict",
        ),
        (
            "close:\n- name: a\n  absent: true",
            "checks/x.yaml:2: a row has exactly one of http",
        ),
        (
            "close:\n- name: a\n  promql: up\n  absent: true\n  exactly: 1",
            "this one has 2",
        ),
        (
            "close:\n- name: a\n  logql: up\n  exactly: 1",
            "`exactly` does not belong to `logql`, which has at_least, absent",
        ),
        (
            "close:\n- name: a\n  promql: up{servcie}\n  absent: true",
            "checks/x.yaml:2: there is no variable {servcie}",
        ),
        (
            "close:\n- name: a\n  promql: up{x.trace}\n  absent: true",
            "there is no request x",
        ),
        (
            "close:\n- name: a\n  promql: up\n  after: [order]\n  absent: true",
            "checks/x.yaml:2: there is no request order",
        ),
        (
            "close:\n- name: a\n  traceql: '{}'\n  finds: [order]",
            "there is no request order",
        ),
        (
            "close:\n- name: a\n  trace: order\n  absent: '* ERROR'",
            "there is no request order",
        ),
        (
            "close:\n- name: a\n  promql: up\n  absent: true\n- name: a\n  promql: up\n  absent: true",
            "a second row \"a\"",
        ),
        (
            "close:\n- name: '{service}'\n  promql: up\n  absent: true",
            "{service} has no value",
        ),
        (
            "close:\n- name: a\n  each: {service: [b]}\n  promql: up\n  absent: true",
            "{service} is not used",
        ),
        (
            "close:\n- name: a\n  each: {service: stack.servcies}\n  promql: up{service}\n  absent: true",
            "no list stack.servcies",
        ),
        (
            "close:\n- name: a\n  http: GET {gateway}\n  has: x",
            "one of `status` and `problem`",
        ),
        (
            "close:\n- name: a\n  http: GET {gateway}\n  id: a\n  status: 200",
            "requests of the drive have an `id`",
        ),
        (
            "drive:\n- name: a\n  http: GET /\n  status: 200",
            "requests of the drive have an `id`",
        ),
        (
            "drive:\n- name: a\n  promql: up\n  absent: true",
            "only `http` can be driven",
        ),
        (
            "drive:\n- name: a\n  id: x\n  http: GET /\n  capture: {b: c}\n  status: 200",
            "checks/x.yaml:2: no row uses {x.b}",
        ),
        (
            "drive:\n- {name: a, id: x, http: GET /, status: 200}\n- {name: b, id: x, http: GET /, status: 200}",
            "a second request x",
        ),
        (
            "drive:\n- {name: a, id: x, http: GET /, status: 200}\nclose:\n- {name: b, trace: x, tree: y}",
            "there is no checks/trees/y.txt",
        ),
        (
            "close:\n- name: a\n  promql: up\n  absent: true\n  within: soon",
            "`within`",
        ),
    ];
    for (text, word) in cases {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("checks/trees")).unwrap();
        fs::write(dir.path().join("checks/x.yaml"), text).unwrap();
        let error = format!("{:#}", Checks::read(dir.path(), &lists()).unwrap_err());
        assert!(error.contains(word), "{text}\n{error}");
    }
}

#[test]
fn a_tree_that_no_row_uses_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("checks/trees")).unwrap();
    fs::write(dir.path().join("checks/trees/y.txt"), "SERVER a [x]\n").unwrap();
    fs::write(
        dir.path().join("checks/x.yaml"),
        "close:\n- {name: a, promql: up, absent: true}",
    )
    .unwrap();
    let error = format!("{:#}", Checks::read(dir.path(), &lists()).unwrap_err());
    assert_eq!(error, "checks/trees/y.txt:1: no row uses this tree");
}
