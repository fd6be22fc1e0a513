//! `stack status`: one line per component.

use anstyle::Style;
use stack::console::{BAD, DIM, GOOD};
use stack::{Condition, Image, Origin, Status};

/// The table with a sum of the memory. Colours are taken out again where nobody sees them.
pub(crate) fn render(rows: &[Status]) -> String {
    let mut text = format!(
        "{:<15} {:<10} {:>7} {:>9}  {}\n",
        "COMPONENT", "STATE", "PID", "MEMORY", "WHERE"
    );
    for row in rows {
        let (word, style) = describe(row.condition);
        let pid = row.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let memory = row.memory.map(mebibytes).unwrap_or_default();
        let place = if runs(row) { &*row.url } else { "" };
        let gap = if place.is_empty() || row.note.is_empty() {
            ""
        } else {
            "  "
        };
        let line = format!(
            "{:<15} {style}{word:<10}{style:#} {pid:>7} {memory:>9}  {place}{gap}{DIM}{}{DIM:#}",
            row.name, row.note
        );
        text.push_str(&line);
        text.push('\n');
    }
    let total: u64 = rows.iter().filter_map(|row| row.memory).sum();
    let running = rows.iter().filter(|row| runs(row)).count();
    let all = mebibytes(total);
    text.push_str(&format!("{running} of {} run, {all} in all\n", rows.len()));
    text
}

/// Also a container whose process is not one of this machine.
fn runs(row: &Status) -> bool {
    matches!(row.condition, Condition::Ready | Condition::NotReady)
}

fn describe(condition: Condition) -> (&'static str, Style) {
    match condition {
        Condition::Ready => ("ready", GOOD),
        Condition::NotReady => ("not ready", BAD),
        Condition::Died => ("died", BAD),
        Condition::Stopped => ("stopped", DIM),
        Condition::Unavailable => ("absent", DIM),
    }
}

/// `stack images`: one line per pinned image.
pub(crate) fn render_images(images: &[Image]) -> String {
    let mut text = format!(
        "{:<15} {:<45} {:>9}  {}\n",
        "COMPONENT", "IMAGE", "SIZE", "WHAT IT IS"
    );
    for image in images {
        let (word, style) = match image.origin {
            Origin::Real => ("real", GOOD),
            Origin::StandIn => ("stand-in", GOOD),
            Origin::Absent => ("absent", DIM),
        };
        let size = image.size.map(mebibytes).unwrap_or_default();
        text.push_str(&format!(
            "{:<15} {:<45} {size:>9}  {style}{word}{style:#}\n",
            image.component, image.reference
        ));
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_tells_its_name_its_size_and_whether_it_is_a_stand_in() {
        let image = |origin, size| Image {
            component: "loki",
            reference: "grafana/loki:3.7.6".into(),
            origin,
            size,
        };
        let text = render_images(&[
            image(Origin::StandIn, Some(130 << 20)),
            image(Origin::Absent, None),
        ]);
        let text = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["loki", "grafana/loki:3.7.6", "130", "MiB", "stand-in"]
        );
        assert!(lines[2].ends_with("absent"), "{text}");
    }

    #[test]
    fn a_row_tells_state_pid_memory_and_place_and_the_memory_is_added_up() {
        let ready = Status {
            name: "loki",
            condition: Condition::Ready,
            pid: Some(41),
            memory: Some(130 << 20),
            url: "http://127.0.0.1:3100".into(),
            note: String::new(),
        };
        let absent = Status {
            name: "tempo",
            condition: Condition::Unavailable,
            pid: None,
            memory: None,
            note: "put it on PATH".into(),
            ..ready.clone()
        };
        let text = anstream::adapter::strip_str(&render(&[ready, absent])).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1],
            "loki            ready           41   130 MiB  http://127.0.0.1:3100"
        );
        assert!(
            lines[2].starts_with("tempo           absent") && lines[2].ends_with("put it on PATH"),
            "{}",
            lines[2]
        );
        assert!(!lines[2].contains("3100"), "what does not run is nowhere");
        assert_eq!(lines[3], "1 of 2 run, 130 MiB in all");
    }
}
