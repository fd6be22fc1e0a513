//! The shipped rules with shorter windows: what takes an hour in production takes two minutes in a drill.
//!
//! Only error budgets look back that far; the alerts about the telemetry itself run as they are shipped. In `slo.yaml`
//! every duration that is a word of its own in an expression or a `for` is divided. Thresholds, burn rates, names and
//! intervals stay.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;
use yaml_serde::Value;

/// Five minutes become ten seconds: fewer hold no two exports.
pub const FACTOR: u32 = 30;
/// Two exports, in seconds. What is shorter in the shipped rules stays as it is.
const LEAST: u32 = 10;

/// Writes Prometheus' directory of a drill below `home`, and returns the `STACK_HOME` of its stack.
pub fn prepare(root: &Path, home: &Path) -> anyhow::Result<PathBuf> {
    let scaled = home.join("scaled");
    let own = scaled.join("prometheus");
    if own.exists() {
        fs::remove_dir_all(&own)?;
    }
    let rules = own.join("rules");
    fs::create_dir_all(&rules)?;
    let shipped = root.join("grafana/prometheus");
    symlink(shipped.join("prometheus.yaml"), own.join("prometheus.yaml"))?;
    // Written by the launcher next to the unscaled rules.
    symlink(
        home.join("prometheus/targets.json"),
        own.join("targets.json"),
    )?;
    for entry in fs::read_dir(shipped.join("rules"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let name = path.file_name().context("a rule file without a name")?;
        let scaled = match name == "slo.yaml" {
            true => scale(&text).with_context(|| path.display().to_string())?,
            false => text,
        };
        fs::write(rules.join(name), scaled)?;
    }
    Ok(scaled)
}

fn scale(text: &str) -> anyhow::Result<String> {
    let mut document: Value = yaml_serde::from_str(text)?;
    let groups = document.get_mut("groups").and_then(Value::as_sequence_mut);
    for group in groups.into_iter().flatten() {
        let rules = group.get_mut("rules").and_then(Value::as_sequence_mut);
        for rule in rules.into_iter().flatten() {
            for key in ["expr", "for", "keep_firing_for"] {
                shorten_value(rule.get_mut(key));
            }
            // It names the window.
            let annotations = rule.get_mut("annotations");
            shorten_value(annotations.and_then(|all| all.get_mut("summary")));
        }
    }
    Ok(yaml_serde::to_string(&document)?)
}

fn shorten_value(value: Option<&mut Value>) {
    if let Some(value) = value
        && let Some(text) = value.as_str()
    {
        *value = shorten(text).into();
    }
}

/// Each duration that is a word: `5m` of `[5m]` and of `offset 5m`, not of `ratio_rate5m`.
fn shorten(expression: &str) -> String {
    let mut result = String::new();
    let mut rest = expression;
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.');
        // Names have colons. The colon of a subquery is written after a space, `[5m :]`.
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        match seconds(word) {
            Some(whole) => result.push_str(&format!("{}s", (whole / FACTOR).max(LEAST.min(whole)))),
            None => result.push_str(word),
        }
        let next = behind.find(is_word).unwrap_or(behind.len());
        result.push_str(&behind[..next]);
        rest = &behind[next..];
    }
    result
}

/// `5m` as Prometheus writes it, with one unit.
fn seconds(text: &str) -> Option<u32> {
    let unit = text.chars().last()?;
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let of_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    Some(number * of_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_waits_shrink_and_names_and_thresholds_stay() {
        let rules = "groups:\n- name: a\n  interval: 5s\n  rules:\n  - alert: Fast\n    \
                     expr: sum(x{a=~\"[ab]\"}[1h] offset 5m) > 14.4 and a:rate5m > 3\n    for: 10m\n";
        let scaled = scale(rules).unwrap();
        let expected = "[120s] offset 10s) > 14.4 and a:rate5m > 3";
        assert!(scaled.contains(expected), "{scaled}");
        for kept in ["[ab]", "interval: 5s", "for: 20s"] {
            assert!(scaled.contains(kept), "{kept}: {scaled}");
        }
    }

    #[test]
    fn nothing_gets_shorter_than_two_exports_or_longer_than_it_was() {
        assert_eq!(shorten("rate(x[1m])"), "rate(x[10s])");
        assert_eq!(shorten("5s"), "5s");
        assert_eq!(shorten("0s"), "0s");
        assert_eq!(shorten("x[5m :] < 65m"), "x[10s :] < 130s");
    }

    #[test]
    fn no_window_of_the_shipped_objectives_stays_long() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shipped = root.join("grafana/prometheus/rules/slo.yaml");
        let scaled = scale(&fs::read_to_string(shipped).unwrap()).unwrap();
        let code = scaled
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let long = |word: &str| seconds(word).is_some() && !word.ends_with('s');
        for line in code {
            let word = line.split(|c| !is_word(c)).find(|word| long(word));
            assert_eq!(word, None, "{line}");
        }
    }
}
