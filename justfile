# OTel Shop. `just` lists the recipes; README.md says what to look at.

export CARGO_TERM_COLOR := env("CARGO_TERM_COLOR", "auto")

_default:
    @just --list --unsorted

# Start the Collector and its backends: on Docker if an engine answers, else natively (STACK=docker|native decides).
[group('run')]
up *args:
    cargo run --locked --bin stack -- up {{ args }}

# Start everything: stack, four services, one order; print its trace, logs and metrics.
[group('run')]
run *args:
    cargo run --locked --bin stack -- run {{ args }}
    cargo run --quiet --locked --bin verify -- first-order

# Stop the four services, or what is named, e.g. `just stop loki`; everything else stays, `just run` starts it again.
[group('run')]
stop *names:
    cargo run --quiet --locked --bin stack -- stop {{ names }}

# Stop everything; data stays. `just down --volumes` forgets it, and says what.
[group('run')]
down *args:
    cargo run --quiet --locked --bin stack -- down {{ args }}

# Makes stand-ins for images that no registry gives, from the native programs; `--remove` takes them away.
[group('run')]
images *args:
    cargo run --quiet --locked --bin stack -- images {{ args }}

# What runs, where, how much memory.
[group('look')]
status:
    cargo run --quiet --locked --bin stack -- status

# The output of one component, e.g. `just logs otel-collector` (-f follows).
[group('look')]
logs name *args:
    cargo run --quiet --locked --bin stack -- logs {{ name }} {{ args }}

# Follows one request hop by hop, and names the first that is broken, with the remedy.
[group('look')]
doctor *args:
    cargo run --quiet --locked --bin drill -- doctor {{ args }}

# A trace as a waterfall with its log lines in place.
[group('look')]
trace id *args:
    cargo run --quiet --locked --bin verify -- trace {{ id }} {{ args }}

# Every test that needs no stack.
[group('check')]
test *args:
    cargo test --workspace --locked {{ args }}

# Formatting, lints, documentation.
[group('check')]
lint:
    .ci/tidy
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# Every claim against the running stack: a row each, then `N passed, N failed, N skipped`.
[group('check')]
verify *args:
    cargo run --quiet --locked --bin verify -- run {{ args }}

# Dashboards and data sources against the types of the pinned Grafana. Needs Node.js with npm.
[group('check')]
schema:
    node grafana/schema/check.mjs

# Stops and starts the stack, then kills its Collector: nothing may be lost, or told twice.
[group('check')]
survival:
    cargo run --quiet --locked --bin verify -- survival

# Open-loop load with latency from the intended start, e.g. `just load --rate 50 --duration 1m --json load.json`.
[group('learn')]
load *args:
    cargo run --quiet --locked --bin loadgen -- {{ args }}

# Breaks a stack of its own: the alert fires, the symptom shows, the fix clears it. `list`, a name, or `all`.
[group('learn')]
drill *names="list":
    cargo run --quiet --locked --bin drill -- {{ names }}
