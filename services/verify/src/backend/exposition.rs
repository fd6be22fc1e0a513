//! The Prometheus text format, as the Collector serves its own metrics.

use std::collections::BTreeMap;

use super::Sample;

/// The samples of one scrape, by metric name.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    samples: BTreeMap<String, Vec<Sample>>,
}

// === impl Exposition ===

impl Exposition {
    /// Lines that are no samples (comments, blanks, what cannot be read) are passed over.
    pub fn parse(text: &str) -> Self {
        let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, sample)) = read(line) {
                samples.entry(name).or_default().push(sample);
            }
        }
        Self { samples }
    }

    /// The samples of `name` whose labels hold all of `wanted`.
    pub fn of<'a>(
        &'a self,
        name: &str,
        wanted: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples
            .get(name)
            .into_iter()
            .flatten()
            .filter(move |sample| {
                wanted
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|is| is == value))
            })
    }

    pub fn sum(&self, name: &str, wanted: &[(&str, &str)]) -> f64 {
        self.of(name, wanted).map(|sample| sample.value).sum()
    }
}

fn read(line: &str) -> Option<(String, Sample)> {
    let name_end = line.find(['{', ' '])?;
    let name = line[..name_end].to_owned();
    let rest = &line[name_end..];
    let (labels, value) = match rest.strip_prefix('{') {
        Some(inner) => read_labels(inner)?,
        None => (BTreeMap::new(), rest),
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    Some((name, Sample { labels, value }))
}

/// Reads up to the closing brace and returns what follows it. A quoted value may hold braces, commas and escapes.
fn read_labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(key.to_owned(), value);
        rest = &quoted[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP otelcol_exporter_sent_spans Number of spans
# TYPE otelcol_exporter_sent_spans counter
otelcol_exporter_sent_spans{exporter="otlp_http/tempo",note="a \"quoted\", {odd} one"} 42
otelcol_exporter_sent_spans{exporter="debug"} 1.5e+01
otelcol_process_uptime 12.5
"#;

    #[test]
    fn samples_are_found_by_name_and_label() {
        let scrape = Exposition::parse(TEXT);
        assert_eq!(
            scrape.sum(
                "otelcol_exporter_sent_spans",
                &[("exporter", "otlp_http/tempo")]
            ),
            42.0
        );
        assert_eq!(scrape.sum("otelcol_exporter_sent_spans", &[]), 57.0);
        assert_eq!(scrape.sum("otelcol_process_uptime", &[]), 12.5);
    }

    #[test]
    fn a_quoted_value_may_hold_quotes_commas_and_braces() {
        let scrape = Exposition::parse(TEXT);
        let sample = scrape
            .of(
                "otelcol_exporter_sent_spans",
                &[("exporter", "otlp_http/tempo")],
            )
            .next()
            .unwrap();
        assert_eq!(sample.labels["note"], r#"a "quoted", {odd} one"#);
    }
}
