//! The log directory and the file in it: made for us, and ours alone to write.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Why the log could not be started. Each names the path and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is not there and cannot be made.
    #[error("the log directory {path} cannot be created: set SHOP_LOG_DIR to one that can", path = path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be opened.
    #[error("the log file {path} cannot be opened: make it writable, or set SHOP_LOG_DIR to another directory", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link could lead our lines, and our mode, anywhere.
    #[error("{path} is a symbolic link: remove it, or set SHOP_LOG_DIR to where it leads", path = path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something else is where the log should be.
    #[error("{path} is not a {expected}: remove it, or set SHOP_LOG_DIR to another directory", path = path.display())]
    Kind {
        /// What is there.
        path: PathBuf,
        /// What should be.
        expected: &'static str,
    },
    /// It belongs to another user, who could change or replace what we write.
    #[error("{path} belongs to user {owner} and this process runs as user {user}: remove it, or set SHOP_LOG_DIR to a directory of user {user}", path = path.display())]
    Owner {
        /// The directory or file.
        path: PathBuf,
        /// The user it belongs to.
        owner: u32,
        /// The user we are.
        user: u32,
    },
    /// The system gave no thread for a lane.
    #[error("no thread for the log")]
    Thread(#[source] io::Error),
}

/// Opens the log file for appending; makes its directory first if need be.
pub(super) fn open(path: &Path) -> Result<File, Error> {
    if let Some(dir) = path.parent() {
        directory(dir)?;
    }
    let before = fs::symlink_metadata(path).ok();
    if before.as_ref().is_some_and(|before| before.is_symlink()) {
        return Err(Error::Link {
            path: path.to_owned(),
        });
    }
    let opened = |source| Error::Open {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        // No link that came after the look above, and no wait for the reader of a pipe.
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .map_err(opened)?;
    let metadata = file.metadata().map_err(opened)?;
    if !metadata.is_file() {
        return Err(Error::Kind {
            path: path.to_owned(),
            expected: "file",
        });
    }
    owned(path, metadata.uid())?;
    if before.is_none() {
        // Whatever the umask: another user's Promtail reads it.
        file.set_permissions(Permissions::from_mode(0o644))
            .map_err(opened)?;
    }
    Ok(file)
}

fn directory(path: &Path) -> Result<(), Error> {
    let create = |source| Error::Create {
        path: path.to_owned(),
        source,
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(path)
                .map_err(create)?;
            let metadata = fs::symlink_metadata(path).map_err(create)?;
            // Whatever the umask, as below. Only if it is what we made: a link that was faster must not have its
            // target's mode changed.
            if metadata.is_dir() && metadata.uid() == user() {
                fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(create)?;
            }
            metadata
        }
        Err(source) => return Err(create(source)),
    };
    if metadata.is_symlink() {
        return Err(Error::Link {
            path: path.to_owned(),
        });
    }
    if !metadata.is_dir() {
        return Err(Error::Kind {
            path: path.to_owned(),
            expected: "directory",
        });
    }
    owned(path, metadata.uid())
}

fn owned(path: &Path, owner: u32) -> Result<(), Error> {
    let user = user();
    if owner == user {
        return Ok(());
    }
    Err(Error::Owner {
        path: path.to_owned(),
        owner,
        user,
    })
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use rustix::fs::Mode;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_not_there_is_made_for_others_to_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("logs/order.log");
        let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let opened = open(&path);
        rustix::process::umask(umask);
        opened.unwrap();
        assert_eq!(mode(&path), 0o644);
        assert_eq!(mode(path.parent().unwrap()), 0o755);
    }

    #[test]
    fn a_linked_directory_is_refused_with_or_without_a_slash() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("link");
        symlink(root.path(), &link).unwrap();
        for dir in [link.clone(), link.join(""), link.join(".")] {
            let error = open(&dir.join("order.log")).unwrap_err();
            assert!(matches!(error, Error::Link { .. }), "{error}");
            let told = format!(
                "{} is a symbolic link: remove it, or set SHOP_LOG_DIR",
                link.display()
            );
            assert!(error.to_string().starts_with(&told), "{error}");
        }
        assert!(!root.path().join("order.log").exists());
    }

    #[test]
    fn a_linked_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("order.log");
        symlink(root.path().join("elsewhere"), &path).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::Link { .. }), "{error}");
        assert!(!root.path().join("elsewhere").exists());
    }

    #[test]
    fn a_directory_of_someone_else_is_refused_by_name_owner_and_remedy() {
        let root = tempfile::tempdir().unwrap();
        // Root owns everything until it gives something away; anyone else finds something of root's.
        let (dir, owner) = if user() == 0 {
            chown(root.path(), Some(12_345), None).unwrap();
            (root.path(), 12_345)
        } else {
            (Path::new("/usr"), 0)
        };
        let error = open(&dir.join("order.log")).unwrap_err();
        let (path, user) = (dir.display(), user());
        let told = format!(
            "{path} belongs to user {owner} and this process runs as user {user}: \
             remove it, or set SHOP_LOG_DIR to a directory of user {user}"
        );
        assert_eq!(error.to_string(), told);
        assert!(!dir.join("order.log").exists());
    }

    #[test]
    fn what_is_no_directory_or_no_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = open(&root.path().join("file/order.log")).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Kind {
                    expected: "directory",
                    ..
                }
            ),
            "{error}"
        );
        let error = open(Path::new("/dev/null")).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Kind {
                    expected: "file",
                    ..
                } | Error::Owner { .. }
            ),
            "{error}"
        );
        fs::create_dir(root.path().join("order.log")).unwrap();
        let error = open(&root.path().join("order.log")).unwrap_err();
        assert!(matches!(error, Error::Open { .. }), "{error}");
    }
}
