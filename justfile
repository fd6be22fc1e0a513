# OTel Shop. `just` lists the recipes; README.md says what to look at.

export CARGO_TERM_COLOR := env("CARGO_TERM_COLOR", "auto")

_default:
    @just --list --unsorted

# Start the Collector and its backends (builds them the first time).
[group('run')]
up *args:
    cargo run --locked -p stack -- up {{ args }}

# Start everything: stack, four services, one order; print its trace, logs and metrics.
[group('run')]
run *args:
    cargo run --locked -p stack -- run {{ args }}
    cargo run --quiet --locked -p verify -- first-order

# Stop the four services; the Collector and its backends stay.
[group('run')]
stop:
    cargo run --quiet --locked -p stack -- stop

# Stop everything; data stays. `just down --volumes` forgets it, and says what.
[group('run')]
down *args:
    cargo run --quiet --locked -p stack -- down {{ args }}

# What runs, where, how much memory.
[group('look')]
status:
    cargo run --quiet --locked -p stack -- status

# The output of one component, e.g. `just logs otel-collector` (-f follows).
[group('look')]
logs name *args:
    cargo run --quiet --locked -p stack -- logs {{ name }} {{ args }}

# A trace as a waterfall with its log lines in place.
[group('look')]
trace id *args:
    cargo run --quiet --locked -p verify -- trace {{ id }} {{ args }}

# Everything that needs no stack: formatting, lints, documentation, tests.
[group('check')]
test:
    .ci/tidy
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
    cargo test --workspace --locked

# Every claim against the running stack: a row each, then `N passed, N failed, N skipped`.
[group('check')]
verify *args:
    cargo run --quiet --locked -p verify -- run {{ args }}
