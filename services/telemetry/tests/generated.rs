//! `TELEMETRY.md` is the registry of `contract` and the variables of the configuration.

use std::path::Path;

use contract::{Registry, generate};
use telemetry::config::VARIABLES;

#[test]
fn telemetry_md_shows_the_registry_and_all_variables() {
    let variables = VARIABLES.iter();
    let rows: Vec<_> = variables
        .map(|variable| {
            [
                variable.name,
                variable.default,
                variable.read_by,
                variable.meaning,
            ]
        })
        .collect();
    let text = generate::document(&Registry::shipped().unwrap(), &rows);
    assert!(
        !text.contains("{{"),
        "a placeholder of the template is unknown"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("TELEMETRY.md");
    generate::compare(&path, &text).unwrap();
}
