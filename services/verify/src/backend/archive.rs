//! The Collector's OTLP/JSON archive, where no Tempo runs: one document per line, rotated by size.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;

use crate::otlp;
use crate::trace::{Span, Trace};

/// A reader that remembers how far it has read in each file.
///
/// Files are told apart by inode: rotation renames the file that was being written.
#[derive(Debug)]
pub struct Archive {
    directory: PathBuf,
    /// Lines without this text are not parsed.
    only: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    read: HashMap<u64, u64>,
    spans: Vec<Span>,
}

// === impl Archive ===

impl Archive {
    /// Everything in the archive that belongs to one trace.
    pub fn of_trace(directory: &Path, id: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            only: Some(id.to_owned()),
            state: Mutex::default(),
        }
    }

    /// What arrives from now on: what lies there already belongs to earlier runs.
    pub fn from_now(directory: &Path) -> anyhow::Result<Self> {
        let archive = Self {
            directory: directory.to_owned(),
            only: None,
            state: Mutex::default(),
        };
        let mut read = HashMap::new();
        for path in archive.files()? {
            let status = fs::metadata(&path)?;
            read.insert(status.ino(), status.len());
        }
        archive.lock().read = read;
        Ok(archive)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn trace(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        let spans = self.select(|span| span.trace_id == id)?;
        Ok((!spans.is_empty()).then(|| Trace::new(spans)))
    }

    /// The spans read so far, after reading on, that `wanted` accepts.
    pub fn select(&self, wanted: impl Fn(&Span) -> bool) -> anyhow::Result<Vec<Span>> {
        let mut state = self.lock();
        for path in self.files()? {
            read_on(&path, self.only.as_deref(), &mut state)
                .with_context(|| format!("reading {}", path.display()))?;
        }
        Ok(state
            .spans
            .iter()
            .filter(|span| wanted(span))
            .cloned()
            .collect())
    }

    /// A missing directory is an empty archive: the Collector makes it with its first span.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("listing {}", self.directory.display()));
            }
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while reading leaves positions and spans consistent: each line is applied whole.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Reads complete lines past the remembered position; a last line without its end is left for the next time.
fn read_on(path: &Path, only: Option<&str>, state: &mut State) -> anyhow::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Rotated away between listing and opening: found under its new name next time.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let inode = file.metadata()?.ino();
    let mut position = state.read.get(&inode).copied().unwrap_or_default();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(position))?;
    let mut line = String::new();
    loop {
        line.clear();
        let length = reader.read_line(&mut line)?;
        if !line.ends_with('\n') {
            break;
        }
        position += u64::try_from(length)?;
        state.read.insert(inode, position);
        if only.is_none_or(|id| line.contains(id)) {
            let document = serde_json::from_str(&line)
                .with_context(|| format!("the line that ends at byte {position} is no JSON"))?;
            state.spans.extend(otlp::spans(&document));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn line(trace: &str, span: &str) -> String {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"order"}}}}]}},"scopeSpans":[{{"scope":{{}},"spans":[{{"traceId":"{trace}","spanId":"{span}","name":"a","kind":2}}]}}]}}]}}"#
        )
    }

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const OTHER: &str = "1af7651916cd43dd8448eb211c80319c";

    fn append(directory: &Path, text: &str) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(directory.join("traces.jsonl"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn spans_of(archive: &Archive, id: &str) -> usize {
        archive
            .trace(id)
            .unwrap()
            .map_or(0, |trace| trace.spans.len())
    }

    #[test]
    fn a_trace_is_put_together_over_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::from_now(directory.path()).unwrap();
        append(
            directory.path(),
            &format!("{}\n", line(TRACE, "b7ad6b7169203331")),
        );
        assert_eq!(spans_of(&archive, TRACE), 1);
        fs::rename(
            directory.path().join("traces.jsonl"),
            directory
                .path()
                .join("traces-2026-11-22T10-00-00.000.jsonl"),
        )
        .unwrap();
        append(
            directory.path(),
            &format!("{}\n", line(TRACE, "b7ad6b7169203332")),
        );
        assert_eq!(spans_of(&archive, TRACE), 2);
    }

    #[test]
    fn a_partial_last_line_is_read_once_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::from_now(directory.path()).unwrap();
        let whole = line(TRACE, "b7ad6b7169203331");
        let (first, second) = whole.split_at(60);
        append(directory.path(), first);
        assert_eq!(spans_of(&archive, TRACE), 0);
        append(directory.path(), &format!("{second}\n"));
        assert_eq!(spans_of(&archive, TRACE), 1);
    }

    #[test]
    fn data_of_an_earlier_run_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        append(
            directory.path(),
            &format!("{}\n", line(TRACE, "b7ad6b7169203331")),
        );
        let archive = Archive::from_now(directory.path()).unwrap();
        append(
            directory.path(),
            &format!("{}\n", line(OTHER, "b7ad6b7169203332")),
        );
        assert_eq!(
            (spans_of(&archive, TRACE), spans_of(&archive, OTHER)),
            (0, 1)
        );
    }

    #[test]
    fn one_trace_is_found_in_an_old_archive() {
        let directory = tempfile::tempdir().unwrap();
        append(
            directory.path(),
            &format!("{}\n", line(TRACE, "b7ad6b7169203331")),
        );
        assert_eq!(
            spans_of(&Archive::of_trace(directory.path(), TRACE), TRACE),
            1
        );
    }

    #[test]
    fn a_missing_directory_is_an_empty_archive() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::from_now(&directory.path().join("absent")).unwrap();
        assert_eq!(spans_of(&archive, TRACE), 0);
    }
}
