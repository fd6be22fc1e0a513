//! The data directory: ours alone, or refused.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why a directory cannot hold our data.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("cannot create the directory {}", .0.display())]
    Create(PathBuf, #[source] io::Error),
    #[error("cannot inspect the directory {}", .0.display())]
    Inspect(PathBuf, #[source] io::Error),
    #[error("{} is a symbolic link: name the directory itself", .0.display())]
    Link(PathBuf),
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} belongs to user {owner}, this process runs as {us}", path.display())]
    ForeignOwner { path: PathBuf, owner: u32, us: u32 },
}

/// Creates `path` for its owner only, or checks that what is there is a directory of ours.
///
/// Its parent is checked as well: below `/tmp` anybody may have made it first, and could swap what is in it.
pub(crate) fn claim(path: &Path) -> Result<(), DirectoryError> {
    let us = rustix::process::geteuid().as_raw();
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path.parent().unwrap_or(path))
        .map_err(|error| DirectoryError::Create(path.to_owned(), error))?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(DirectoryError::Create(path.to_owned(), error));
        }
        _ => owned(path, &[us])?,
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => return Ok(()),
    };
    // The parent may be a link of the system's, such as /var/run; not a link of somebody else's.
    let resolved = parent
        .canonicalize()
        .map_err(|error| DirectoryError::Inspect(parent.to_owned(), error))?;
    belongs(parent, &inspect(parent)?, &[us, 0])?;
    owned(&resolved, &[us, 0])
}

fn owned(path: &Path, owners: &[u32]) -> Result<(), DirectoryError> {
    let found = inspect(path)?;
    if found.is_symlink() {
        return Err(DirectoryError::Link(path.to_owned()));
    }
    if !found.is_dir() {
        return Err(DirectoryError::NotADirectory(path.to_owned()));
    }
    belongs(path, &found, owners)
}

/// What is at `path` itself: a link is not followed.
fn inspect(path: &Path) -> Result<Metadata, DirectoryError> {
    fs::symlink_metadata(path).map_err(|error| DirectoryError::Inspect(path.to_owned(), error))
}

fn belongs(path: &Path, found: &Metadata, owners: &[u32]) -> Result<(), DirectoryError> {
    if owners.contains(&found.uid()) {
        return Ok(());
    }
    Err(DirectoryError::ForeignOwner {
        path: path.to_owned(),
        owner: found.uid(),
        us: owners[0],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_made_for_its_owner_only() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("shop/data");
        claim(&dir).unwrap();
        claim(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        let us = fs::metadata(scratch.path()).unwrap().uid();
        let refused = owned(scratch.path(), &[us + 1]).unwrap_err().to_string();
        let expected = format!("belongs to user {us}, this process runs as {}", us + 1);
        assert!(refused.ends_with(&expected), "{refused}");
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = claim(file.path());
        assert!(
            matches!(refused, Err(DirectoryError::NotADirectory(_))),
            "{refused:?}"
        );
    }
}
