//! What a claim needs of the stack. It follows from the language of a query, its selectors and the ports it names; what
//! does not is written in the file, as `needs=` of a code block.

use std::collections::BTreeSet;

use regex::Regex;

use super::{Artifacts, Language, Unmet, Verdict};
use crate::check::Scene;

/// The components that a stack may lack, in the order in which they are reported, and what is skipped without them.
const COMPONENTS: [(&str, &str); 5] = [
    ("tempo", "TraceQL and Tempo's own metrics"),
    ("loki", "log queries and Loki's own metrics"),
    ("promtail", "the log pipeline from files"),
    ("grafana", "Grafana's own pages"),
    ("processes", "claims about processes of this machine"),
];
/// What only Promtail brings to Loki.
const FROM_FILES: [&str; 3] = [r#"lane="file""#, "rust_app_logs", "containerlogs"];

/// Of a query whose variables are replaced.
pub(super) fn of_query(
    artifacts: &Artifacts,
    language: Language,
    query: &str,
) -> Verdict<BTreeSet<&'static str>> {
    let mut needs = BTreeSet::new();
    match language {
        Language::TraceQl => drop(needs.insert("tempo")),
        Language::LogQl => {
            needs.insert("loki");
            let plain = query.replace(' ', "");
            if FROM_FILES.iter().any(|text| plain.contains(text)) {
                needs.insert("promtail");
            }
        }
        Language::PromQl => of_promql(artifacts, query, &mut BTreeSet::new(), &mut needs)?,
    }
    Ok(needs)
}

/// A component's own metrics begin with its name or have it as a label; a recorded series needs what its rule needs.
fn of_promql<'a>(
    artifacts: &'a Artifacts,
    promql: &str,
    seen: &mut BTreeSet<&'a str>,
    needs: &mut BTreeSet<&'static str>,
) -> Verdict<()> {
    let label = Regex::new(r#"\b(job|component)\s*=\s*"([a-z]+)""#)?;
    for (component, _) in COMPONENTS {
        let prefix = Regex::new(&format!(r"\b{component}_"))?;
        let mut labels = label.captures_iter(promql);
        if prefix.is_match(promql) || labels.any(|found| &found[2] == component) {
            needs.insert(component);
        }
    }
    for rule in &artifacts.rules.recordings {
        if super::names::has_word(promql, &rule.name) && !seen.contains(&*rule.promql) {
            seen.insert(&rule.promql);
            of_promql(artifacts, &rule.promql, seen, needs)?;
        }
    }
    Ok(())
}

/// Of an address, by the name of its port: `TEMPO_PORT`.
pub(super) fn of_port(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let mut all = COMPONENTS.iter().map(|(component, _)| *component);
    all.find(|component| name.starts_with(component))
}

/// The first that is not part of the stack is reported by its name.
pub(super) fn check<'a>(scene: &Scene, needs: impl IntoIterator<Item = &'a str>) -> Verdict<()> {
    let needs: BTreeSet<&str> = needs.into_iter().collect();
    for (component, what) in COMPONENTS {
        if needs.contains(component) && !scene.has(component) {
            return Err(Unmet::Missing(format!("no {component}: {what}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::rules::Recording;

    #[test]
    fn needs_follow_from_language_selectors_and_recorded_series() {
        let mut artifacts = Artifacts::default();
        artifacts.rules.recordings.push(Recording {
            name: "lines:rate5m".to_owned(),
            promql: "rate(promtail_read_lines_total[5m]) + 0 * lines:rate5m".to_owned(),
        });
        for (language, query, expected) in [
            (Language::TraceQl, "{ status = error }", &["tempo"][..]),
            (Language::LogQl, r#"{lane="otlp"}"#, &["loki"]),
            (
                Language::LogQl,
                r#"{lane = "file"} | x="y""#,
                &["loki", "promtail"],
            ),
            (
                Language::LogQl,
                r#"{job=~"rust_app_logs|x"}"#,
                &["loki", "promtail"],
            ),
            (Language::PromQl, "up", &[]),
            (Language::PromQl, r#"up{job="grafana"}"#, &["grafana"]),
            (Language::PromQl, r#"x{exporter="otlp_http/loki"}"#, &[]),
            (Language::PromQl, "rate(tempo_spans_total[1m])", &["tempo"]),
            (Language::PromQl, "sum(lines:rate5m)", &["promtail"]),
        ] {
            let needs = of_query(&artifacts, language, query).unwrap();
            assert_eq!(needs, expected.iter().copied().collect(), "{query}");
        }
        assert_eq!(of_port("LOKI_PORT"), Some("loki"));
        assert_eq!(of_port("ORDER_PORT"), None);
    }
}
