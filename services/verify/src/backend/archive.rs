//! The Collector's OTLP/JSON archive, where no Tempo or no Loki runs: one document per line, rotated by size.
//!
//! Whatever its lines are, reading goes on: bytes that are no UTF-8 become replacement characters, and a line or an item that cannot
//! be read is counted.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use serde_json::Value;
use telemetry_testing::json::{self, Decoded};
use telemetry_testing::{Log, Span, Trace};

/// A longer line is skipped: it would fill the memory. The Collector's batches are below 10 MB.
const LONGEST: u64 = 64 << 20;

/// The spans of an archive.
pub type Archive = Store<Span>;
/// The log records of an archive.
pub type LogArchive = Store<Log>;

/// A reader that remembers how far it has read in each file.
///
/// Files are told apart by inode: rotation renames the file that was being written.
#[derive(Debug)]
pub struct Store<T> {
    directory: PathBuf,
    /// Lines without this text are not parsed.
    only: Option<String>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    read: HashMap<u64, u64>,
    items: Vec<T>,
    skipped: usize,
}

/// What an archive consists of.
pub trait Item: Sized + Clone {
    /// The start of the names of its files.
    const FILES: &str;
    /// The start of a document.
    const START: &str;

    fn decode(document: &Value) -> Decoded<Self>;
}

impl Item for Span {
    const FILES: &str = "traces";
    const START: &str = r#"{"resourceSpans":"#;

    fn decode(document: &Value) -> Decoded<Self> {
        json::spans(document)
    }
}

impl Item for Log {
    const FILES: &str = "logs";
    const START: &str = r#"{"resourceLogs":"#;

    fn decode(document: &Value) -> Decoded<Self> {
        json::logs(document)
    }
}

// === impl Store ===

impl Archive {
    pub fn trace(&self, id: &str) -> anyhow::Result<Option<Trace>> {
        let spans = self.select(|span| span.trace_id == id)?;
        Ok((!spans.is_empty()).then(|| Trace::new(spans)))
    }
}

impl<T: Item> Store<T> {
    /// Everything in the archive that belongs to one trace.
    pub fn of_trace(directory: &Path, id: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            only: Some(id.to_owned()),
            state: Mutex::new(State {
                read: HashMap::new(),
                items: Vec::new(),
                skipped: 0,
            }),
        }
    }

    /// What arrives from now on: what is there already belongs to earlier runs.
    pub fn from_now(directory: &Path) -> anyhow::Result<Self> {
        let archive = Self {
            only: None,
            ..Self::of_trace(directory, "")
        };
        for path in archive.files()? {
            let status = fs::metadata(&path)?;
            archive.lock().read.insert(status.ino(), status.len());
        }
        Ok(archive)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The items read so far, after reading on, that `wanted` accepts.
    pub fn select(&self, wanted: impl Fn(&T) -> bool) -> anyhow::Result<Vec<T>> {
        let mut state = self.lock();
        for path in self.files()? {
            read_on(&path, self.only.as_deref(), &mut state)
                .with_context(|| format!("reading {}", path.display()))?;
        }
        let items = state.items.iter().filter(|item| wanted(item));
        Ok(items.cloned().collect())
    }

    /// How many lines and items could not be read so far.
    pub fn skipped(&self) -> usize {
        self.lock().skipped
    }

    /// A missing directory is an empty archive: the Collector makes it with its first item.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("listing {}", self.directory.display()));
            }
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(T::FILES) && name.ends_with(".jsonl") {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic while reading leaves positions and items consistent: each line is applied whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads complete lines past the remembered position; a last line without its end is left for the next time.
fn read_on<T: Item>(path: &Path, only: Option<&str>, state: &mut State<T>) -> anyhow::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Rotated away between listing and opening: found under its new name next time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let inode = file.metadata()?.ino();
    let mut position = state.read.get(&inode).copied().unwrap_or_default();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(position))?;
    let mut line = Vec::new();
    while let Some(length) = next_line(&mut reader, &mut line, LONGEST)? {
        position += length;
        state.read.insert(inode, position);
        let text = String::from_utf8_lossy(&line);
        if only.is_some_and(|id| !line.is_empty() && !text.contains(id)) {
            continue;
        }
        match parse::<T>(&text) {
            Some(document) => {
                let decoded = T::decode(&document);
                state.items.extend(decoded.items);
                state.skipped += decoded.skipped;
            }
            None => state.skipped += 1,
        }
    }
    Ok(())
}

/// A Collector that was killed leaves half a line, and its successor appends a whole document to it.
fn parse<T: Item>(line: &str) -> Option<Value> {
    let whole = serde_json::from_str(line).ok();
    whole.or_else(|| serde_json::from_str(&line[line.rfind(T::START)?..]).ok())
}

/// Reads up to the next line end and returns the length; `None` where the last line has no end yet. `line` is empty if it was longer
/// than `longest`.
fn next_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    longest: u64,
) -> anyhow::Result<Option<u64>> {
    line.clear();
    let mut length = 0;
    loop {
        let part = reader.fill_buf()?;
        if part.is_empty() {
            return Ok(None);
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(part.len(), |end| end + 1);
        length += u64::try_from(taken)?;
        match length > longest {
            true => line.clear(),
            false => line.extend_from_slice(&part[..taken]),
        }
        reader.consume(taken);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const OTHER: &str = "1af7651916cd43dd8448eb211c80319c";

    fn line(trace: &str, span: u8) -> String {
        format!(
            "{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"{trace}\",\"spanId\":\"b7ad6b71692033{span:02x}\",\"name\":\"a\"}}]}}]}}]}}\n"
        )
    }

    fn append(directory: &Path, bytes: &[u8]) {
        let path = directory.join("traces.jsonl");
        let mut options = File::options();
        let mut file = options.create(true).append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn spans_of(archive: &Archive, id: &str) -> usize {
        let trace = archive.trace(id).unwrap();
        trace.map_or(0, |trace| trace.spans.len())
    }

    #[test]
    fn a_trace_is_put_together_over_a_rotation_and_from_parts_of_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        append(dir, line(OTHER, 9).as_bytes());
        let archive = Archive::from_now(dir).unwrap();
        append(dir, line(TRACE, 1).as_bytes());
        assert_eq!(spans_of(&archive, TRACE), 1);
        fs::rename(dir.join("traces.jsonl"), dir.join("traces-2026.jsonl")).unwrap();
        fs::write(dir.join("logs.jsonl"), line(TRACE, 8)).unwrap();
        let whole = line(TRACE, 2);
        let (first, second) = whole.split_at(60);
        append(dir, first.as_bytes());
        assert_eq!(spans_of(&archive, TRACE), 1);
        append(dir, second.as_bytes());
        assert_eq!(spans_of(&archive, TRACE), 2);
        assert_eq!(spans_of(&archive, OTHER), 0, "of an earlier run");
        assert_eq!(spans_of(&Archive::of_trace(dir, OTHER), OTHER), 1);
        let absent = Archive::from_now(&dir.join("absent")).unwrap();
        assert_eq!((spans_of(&absent, TRACE), archive.skipped()), (0, 0));
    }

    #[test]
    fn a_bad_record_takes_nothing_else_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::from_now(dir.path()).unwrap();
        let foreign = line(OTHER, 1).replace("\"a\"", "\"caf\u{1}\"");
        let foreign: Vec<u8> = foreign
            .bytes()
            .map(|byte| if byte == 1 { 0xe9 } else { byte })
            .collect();
        append(dir.path(), &foreign);
        append(dir.path(), b"{\"resourceSpans\": oops}\n\n[1]\nnull\n");
        // Half a line of a Collector that was killed, with the first line of the next one.
        append(dir.path(), &line(TRACE, 2).as_bytes()[..70]);
        append(dir.path(), line(TRACE, 3).as_bytes());
        append(dir.path(), line("", 4).as_bytes());
        append(dir.path(), line(TRACE, 5).as_bytes());
        append(dir.path(), b"{\"resourceSpans\":[");

        let other = archive.trace(OTHER).unwrap().unwrap();
        assert_eq!(other.spans[0].name, "caf\u{fffd}");
        assert_eq!(spans_of(&archive, TRACE), 2);
        assert_eq!(archive.skipped(), 3, "two lines and a span");
        let one = Archive::of_trace(dir.path(), TRACE);
        assert_eq!((spans_of(&one, TRACE), one.skipped()), (2, 0));
    }

    #[test]
    fn a_huge_line_is_passed_over_without_being_kept() {
        let mut reader = BufReader::with_capacity(4, &b"0123456789\nabc\nrest"[..]);
        let mut line = Vec::new();
        let mut next = || {
            let length = next_line(&mut reader, &mut line, 8).unwrap();
            (length, String::from_utf8(line.clone()).unwrap())
        };
        assert_eq!(next(), (Some(11), String::new()));
        assert_eq!(next(), (Some(4), "abc\n".to_owned()));
        assert_eq!(next().0, None);
    }
}
