//! The log file: appended to by whole batches, rotated by size, opened again when it was moved.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use slog::{Logger, warn};

use super::lane::{Outcome, Sink};
use super::{Error, location};
use crate::config::LogConfig;
use contract::events;

/// How often a failure that lasts is told.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// A file that rotates. Nothing here panics: a panic would end the lane.
pub(super) struct RotatingFile {
    path: PathBuf,
    max: u64,
    keep: usize,
    reopen: Arc<AtomicBool>,
    file: File,
    complaints: Complaints,
}

impl RotatingFile {
    pub(super) fn open(
        path: PathBuf,
        config: &LogConfig,
        reopen: Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        Ok(Self {
            file: location::open(&path)?,
            path,
            max: config.file_max,
            keep: config.file_keep,
            reopen,
            complaints: Complaints::default(),
        })
    }

    /// Tells failures to `log`, which may well be the log of this file.
    pub(super) fn complain_to(mut self, log: Logger) -> Self {
        self.complaints.log = Some(log);
        self
    }

    /// Opens the file again if that was asked for, or if it is no longer at its path.
    fn follow(&mut self) {
        let is_asked = self.reopen.swap(false, Ordering::Relaxed);
        if is_asked || !self.is_in_place() {
            match location::open(&self.path) {
                Ok(file) => self.file = file,
                Err(error) => self.complaints.add("open", &error),
            }
        }
    }

    fn is_in_place(&self) -> bool {
        let (Ok(there), Ok(ours)) = (fs::symlink_metadata(&self.path), self.file.metadata()) else {
            return false;
        };
        (there.dev(), there.ino()) == (ours.dev(), ours.ino())
    }

    fn rotate(&mut self) {
        let renamed = (1..self.keep).rev().try_for_each(|age| {
            match fs::rename(self.aged(age), self.aged(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        });
        match renamed.and_then(|()| fs::rename(&self.path, self.aged(1))) {
            Ok(()) => self.follow(),
            Err(error) => self.complaints.add("rename", &error),
        }
    }

    fn aged(&self, age: usize) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{age}"));
        path.into()
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut len = self.file.metadata()?.len();
        // A file that is not in place was rotated already, or moved by someone else, and the next could not be opened:
        // to rotate for it would push the kept files out, one for each batch.
        if len > 0 && len + lines.len() as u64 > self.max && self.is_in_place() {
            self.rotate();
            len = self.file.metadata()?.len();
        }
        self.file.write_all(lines).inspect_err(|_| {
            // What a full disk took of the batch would be half a line. If it cannot be taken back either, the batch
            // starts with that half.
            self.file.set_len(len).ok();
        })
    }
}

impl Sink for RotatingFile {
    fn write(&mut self, lines: &[u8]) -> Outcome {
        self.follow();
        match self.append(lines) {
            Ok(()) => Outcome::Written,
            Err(error) => {
                self.complaints.add("write", &error);
                Outcome::Again
            }
        }
    }

    fn finish(&mut self) {
        if let Err(error) = self.file.sync_data() {
            self.complaints.add("sync", &error);
        }
    }
}

/// Failures of the file, counted, and told once in a while.
#[derive(Default)]
struct Complaints {
    log: Option<Logger>,
    told: Option<Instant>,
    failures: u64,
}

impl Complaints {
    fn add(&mut self, operation: &'static str, error: &(dyn std::error::Error + 'static)) {
        self.failures += 1;
        if self
            .told
            .is_some_and(|told| told.elapsed() < COMPLAIN_EVERY)
        {
            return;
        }
        self.told = Some(Instant::now());
        if let Some(log) = &self.log {
            warn!(log, "Could not {operation} the log file";
                "event.name" => events::TELEMETRY_DIAGNOSTIC,
                "failures" => self.failures,
                "error" => error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    const NAME: &str = "rust_app_order.log";

    fn start(max: u64, keep: usize) -> (RotatingFile, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig {
            dir: dir.path().to_owned(),
            level: slog::Level::Info,
            console: Some(false),
            file_max: max,
            file_keep: keep,
        };
        let file = RotatingFile::open(dir.path().join(NAME), &config, Arc::default()).unwrap();
        (file, dir)
    }

    fn write(file: &mut RotatingFile, line: &str) {
        assert!(matches!(
            file.write(format!("{line}\n").as_bytes()),
            Outcome::Written
        ));
    }

    fn read(dir: impl AsRef<Path>, name: &str) -> String {
        fs::read_to_string(dir.as_ref().join(name)).unwrap()
    }

    #[test]
    fn a_full_file_makes_place_and_the_oldest_goes() {
        let (mut file, dir) = start(10, 2);
        for line in ["1 one", "2 two", "3 three", "4 four"] {
            write(&mut file, line);
        }
        assert_eq!(read(&dir, NAME), "4 four\n");
        assert_eq!(read(&dir, "rust_app_order.log.1"), "3 three\n");
        assert_eq!(read(&dir, "rust_app_order.log.2"), "2 two\n");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 3);
    }

    #[test]
    fn a_batch_is_never_divided_and_never_leaves_an_empty_file() {
        let (mut file, dir) = start(10, 1);
        write(&mut file, "longer than a file may be");
        assert_eq!(read(&dir, NAME), "longer than a file may be\n");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_appended_to_across_restarts() {
        let (mut file, dir) = start(100, 1);
        write(&mut file, "before");
        let path = dir.path().join(NAME);
        drop(file);
        let config = LogConfig {
            dir: dir.path().to_owned(),
            level: slog::Level::Info,
            console: None,
            file_max: 100,
            file_keep: 1,
        };
        let mut file = RotatingFile::open(path, &config, Arc::default()).unwrap();
        write(&mut file, "after");
        assert_eq!(read(&dir, NAME), "before\nafter\n");
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_made_anew() {
        let (mut file, dir) = start(100, 1);
        write(&mut file, "one");
        fs::rename(dir.path().join(NAME), dir.path().join("moved")).unwrap();
        write(&mut file, "two");
        assert_eq!(read(&dir, "moved"), "one\n");
        assert_eq!(read(&dir, NAME), "two\n");
        fs::remove_dir_all(dir.path()).unwrap();
        write(&mut file, "three");
        assert_eq!(read(&dir, NAME), "three\n");
    }

    #[test]
    fn a_request_to_reopen_is_followed_once() {
        let (mut file, _dir) = start(100, 1);
        // The new file is opened before the old one is closed, so that their numbers differ.
        let number = file.file.as_raw_fd();
        write(&mut file, "one");
        assert_eq!(file.file.as_raw_fd(), number);
        file.reopen.store(true, Ordering::Relaxed);
        write(&mut file, "two");
        let reopened = file.file.as_raw_fd();
        assert_ne!(reopened, number);
        write(&mut file, "three");
        assert_eq!(file.file.as_raw_fd(), reopened);
    }

    #[test]
    fn a_failed_rename_keeps_the_file_and_every_line() {
        let (mut file, dir) = start(10, 1);
        // A directory with something in it cannot be replaced, not even by root.
        fs::create_dir_all(dir.path().join("rust_app_order.log.1/in/the/way")).unwrap();
        for line in ["1 one", "2 two", "3 three"] {
            write(&mut file, line);
        }
        assert_eq!(read(&dir, NAME), "1 one\n2 two\n3 three\n");
        assert_eq!(file.complaints.failures, 2);
    }

    #[test]
    fn a_failed_open_keeps_the_old_file_until_it_can_be_left() {
        let (mut file, dir) = start(100, 1);
        write(&mut file, "one");
        let path = dir.path().join(NAME);
        fs::rename(&path, dir.path().join("moved")).unwrap();
        fs::create_dir(&path).unwrap();
        write(&mut file, "two");
        assert_eq!(read(&dir, "moved"), "one\ntwo\n");
        assert_eq!(file.complaints.failures, 1);
        fs::remove_dir(&path).unwrap();
        write(&mut file, "three");
        assert_eq!(read(&dir, NAME), "three\n");
    }

    #[test]
    fn while_the_next_file_cannot_be_opened_the_kept_ones_stay() {
        let (mut file, dir) = start(10, 3);
        for line in ["1 one", "2 two", "3 three"] {
            write(&mut file, line);
        }
        let path = dir.path().join(NAME);
        fs::rename(&path, dir.path().join("moved")).unwrap();
        // Not ours to append to, but anybody's to rename.
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        for line in ["4 four", "5 five", "6 six"] {
            write(&mut file, line);
        }
        assert_eq!(read(&dir, "moved"), "3 three\n4 four\n5 five\n6 six\n");
        assert_eq!(read(&dir, "rust_app_order.log.1"), "2 two\n");
        assert_eq!(read(&dir, "rust_app_order.log.2"), "1 one\n");
    }

    #[test]
    fn a_full_disk_asks_for_another_try() {
        let (mut file, dir) = start(100, 1);
        fs::remove_file(dir.path().join(NAME)).unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(NAME)).unwrap();
        file.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        assert!(matches!(file.write(b"one\n"), Outcome::Again));
        fs::remove_file(dir.path().join(NAME)).unwrap();
        write(&mut file, "one");
        assert_eq!(read(&dir, NAME), "one\n");
    }
}
