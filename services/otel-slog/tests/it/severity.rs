use opentelemetry::logs::Severity;
use slog::{Logger, crit, debug, error, info, trace, warn};

use crate::capture::one;

fn check(statement: fn(&Logger), number: i32, text: &str) {
    let emitted = one(statement);
    let severity = emitted.record.severity_number();
    assert_eq!(
        severity.map(|severity: Severity| severity as i32),
        Some(number)
    );
    assert_eq!(emitted.record.severity_text(), Some(text));
}

#[test]
fn every_level_has_its_severity() {
    check(|log| crit!(log, "m"), 21, "FATAL");
    check(|log| error!(log, "m"), 17, "ERROR");
    check(|log| warn!(log, "m"), 13, "WARN");
    check(|log| info!(log, "m"), 9, "INFO");
    check(|log| debug!(log, "m"), 5, "DEBUG");
    check(|log| trace!(log, "m"), 1, "TRACE");
}
