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

    #[test]
    fn samples_are_found_by_name_and_label_between_lines_that_are_none() {
        let text = r#"# HELP otelcol_exporter_sent_spans Number of spans
otelcol_exporter_sent_spans{exporter="otlp_http/tempo",note="a \"quoted\", {odd} one"} 42
no value
broken{exporter="open 7
broken{exporter="x"} seven
otelcol_exporter_sent_spans{exporter="debug"} 1.5e+01
otelcol_process_uptime 12.5
otelcol_exporter_sent_spans{expor"#;
        let scrape = Exposition::parse(text);
        let tempo = [("exporter", "otlp_http/tempo")];
        assert_eq!(scrape.sum("otelcol_exporter_sent_spans", &tempo), 42.0);
        assert_eq!(scrape.sum("otelcol_exporter_sent_spans", &[]), 57.0);
        assert_eq!(scrape.sum("otelcol_process_uptime", &[]), 12.5);
        assert_eq!(scrape.of("broken", &[]).count(), 0);
        let mut samples = scrape.of("otelcol_exporter_sent_spans", &tempo);
        assert_eq!(
            samples.next().unwrap().labels["note"],
            r#"a "quoted", {odd} one"#
        );
    }
}
