//! The stack on Docker, against a script in the client's place.

use std::fs;

use crate::bench::{Bench, Outcome};

/// An engine with compose: containers exist from `up` to `down`.
const ENGINE: &str = r#"
echo "$*" >> "$STUB/calls"
case "$*" in
  *" ps "*) [ -e "$STUB/up" ] && for name in otel-collector loki; do
      echo '{"ID":"'$name'","Service":"'$name'","State":"running","ExitCode":0}'; done; exit 0 ;;
  *" up "*) : > "$STUB/up"; echo "FILES_LOKI=$FILES_LOKI" >> "$STUB/calls" ;;
esac"#;

fn bench(engine: &str) -> Bench {
    let bench = Bench::new();
    bench.script("docker", engine);
    bench
}

fn calls(bench: &Bench) -> Vec<String> {
    let calls = fs::read_to_string(bench.path("calls")).unwrap_or_default();
    drop(fs::remove_file(bench.path("calls")));
    calls
        .lines()
        .map(|call| {
            call.replace(
                "compose --project-name otel-shop --file docker-compose.yml ",
                "",
            )
        })
        .collect()
}

fn up(bench: &Bench, variables: &[(&str, &str)]) -> Outcome {
    bench.stack(&["up"], variables)
}

#[test]
fn the_engine_is_used_if_it_answers_with_compose_and_the_reason_is_reported_otherwise() {
    let without = bench("echo \"docker: unknown command: docker compose\" >&2; exit 1");
    up(&without, &[])
        .succeeds_with(&["runs natively: docker compose does not answer (docker: unknown command"]);
    let wanted = [("STACK", "docker")];
    up(&without, &wanted)
        .fails_with(&["STACK=docker, but the stack runs natively: `just down` first"]);
    without.stack(&["down"], &[]).succeeds_with(&[]);
    up(&without, &wanted).fails_with(&[
        "STACK=docker, but docker compose does not answer",
        "STACK=native",
    ]);
    up(&without, &[("STACK", "podman")])
        .fails_with(&["STACK=podman: expected `docker` or `native`"]);
    let with = bench(ENGINE);
    up(&with, &[("STACK", "native")]).succeeds_with(&["runs natively: STACK=native"]);
    with.stack(&["down"], &[]).succeeds_with(&[]);
    up(&with, &[]).succeeds_with(&["runs on Docker"]);
    up(&with, &[("STACK", "native")]).fails_with(&["STACK=native, but the stack runs on Docker"]);
}

#[test]
fn compose_starts_exactly_the_components_of_the_instance_and_the_services_are_processes() {
    let bench = bench(ENGINE);
    fs::write(
        bench.root.join("collector/archive-logs.compose.yaml"),
        "services: {}",
    )
    .unwrap();
    bench
        .stack(&["run"], &[])
        .succeeds_with(&["starting order"]);
    let with = calls(&bench);
    let host_logs = "--file services/host-logs.compose.yaml up --detach --wait --no-deps otel-collector loki promtail";
    assert!(with.contains(&host_logs.to_owned()), "{with:?}");
    assert!(bench.pid("order").is_some() && bench.output("loki").is_empty());
    assert_eq!(
        bench.status("otel-collector")["condition"],
        "notready",
        "no container listens in this test"
    );

    let changed = |calls: &[String]| {
        calls
            .iter()
            .find(|call| call.starts_with("FILES_LOKI"))
            .unwrap()
            .clone()
    };
    assert_eq!(
        bench
            .stack(&["up"], &[])
            .stderr
            .matches("runs on Docker")
            .count(),
        1
    );
    assert_eq!(changed(&calls(&bench)), changed(&with));
    fs::write(bench.root.join("loki.yaml"), "other: 1\n").unwrap();
    up(&bench, &[("LOKI_BIN", "none")]).succeeds_with(&["no loki (LOKI_BIN=none)"]);
    let without = calls(&bench);
    assert_ne!(changed(&without), changed(&with));
    assert!(
        without.iter().any(
            |call| call.contains("--file collector/archive-logs.compose.yaml")
                && call.ends_with("--no-deps otel-collector")
        ),
        "{without:?}"
    );
    bench
        .stack(&["down", "--volumes"], &[])
        .succeeds_with(&["stopped  order"]);
    let order: Vec<_> = calls(&bench);
    let find = |end: &str| order.iter().position(|call| call.ends_with(end)).unwrap();
    assert!(
        find("stop otel-collector promtail") < find("stop loki")
            && find("stop loki") < find("down --volumes"),
        "{order:?}"
    );
}

#[test]
fn containers_that_the_launcher_did_not_start_are_found_and_neither_stopped_nor_changed() {
    let bench = bench(ENGINE);
    fs::write(bench.path("up"), "").unwrap();
    let ours = "was started by `docker compose`, not by `just`";
    up(&bench, &[]).fails_with(&[ours]);
    bench.stack(&["down"], &[]).succeeds_with(&[ours]);
    assert_eq!(bench.status("loki")["condition"], "notready");
    let stop = bench.stack(&["stop", "loki"], &[]);
    assert!(
        !calls(&bench)
            .iter()
            .any(|call| call.contains(" stop") || call.contains(" down") || call.contains(" up ")),
        "{}",
        stop.stderr
    );
}
