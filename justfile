# OTel Shop. `just` lists the recipes; README.md says what to look at. Works with `just` 1.15 and newer.

export CARGO_TERM_COLOR := env("CARGO_TERM_COLOR", "auto")

_default:
    @just --list --unsorted

# Start the Collector and its backends: on Docker if an engine with compose answers, otherwise natively (or as STACK=docker|native says).
up *args:
    cargo run --locked --bin stack -- up {{ args }}

# Start everything: the stack, the services, one order; print its trace, logs and metrics.
run *args:
    cargo run --locked --bin stack -- run {{ args }}
    cargo run --quiet --locked --bin verify -- first-order

# Stop the services, or the named components, e.g. `just stop loki`; `just run` starts them again.
stop *names:
    cargo run --quiet --locked --bin stack -- stop {{ names }}

# Stop everything; data stays. `just down --volumes` removes it, and names what it was.
down *args:
    cargo run --quiet --locked --bin stack -- down {{ args }}

# What runs, where, how much memory.
status:
    cargo run --quiet --locked --bin stack -- status

# The output of one component, e.g. `just logs otel-collector` (-f follows).
logs name *args:
    cargo run --quiet --locked --bin stack -- logs {{ name }} {{ args }}

# Follows one request hop by hop, and names the first that is broken, with the remedy.
doctor *args:
    cargo run --quiet --locked --bin drill -- doctor {{ args }}

# A trace as a waterfall with its log lines in place.
trace id *args:
    cargo run --quiet --locked --bin verify -- trace {{ id }} {{ args }}

# Every test that needs no stack.
test *args:
    cargo test --workspace --locked {{ args }}

# Formatting, lints, documentation.
lint:
    .ci/tidy
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# Every claim against the running stack: a row each, then `N passed, N failed, N skipped`.
verify *args:
    cargo run --quiet --locked --bin verify -- run {{ args }}

# Dashboards and data sources against the types of the pinned Grafana. Needs Node.js with npm.
schema:
    node grafana/schema/check.mjs

# Open-loop load with latency from the intended start, e.g. `just load --rate 50 --duration 1m --json load.json`.
load *args:
    GATEWAY_PORT="${GATEWAY_PORT:-$(sed -n 's/^GATEWAY_PORT=//p' .env)}" cargo run --quiet --locked --bin loadgen -- {{ args }}

# Breaks a stack of its own: the alert fires, the symptom shows, the fix clears it. `list`, a name, or `all`.
drill *names="list":
    cargo run --quiet --locked --bin drill -- {{ names }}
