//! A name for what a build is made of.

use std::path::Path;

use crate::error::{IoContext as _, Result};

/// FNV-1a over everything that was added. It names a cache entry; nobody gains by forging one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// A file's name and content.
    pub(crate) fn file(self, directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(name);
        let content = std::fs::read(&path).context("read", &path)?;
        Ok(self.text(name).bytes(&content))
    }

    pub(crate) fn hex(self) -> String {
        format!("{:016x}", self.0)
    }

    /// The length goes in first, so that "ab", "c" and "a", "bc" differ.
    fn bytes(self, bytes: &[u8]) -> Self {
        let length = (bytes.len() as u64).to_le_bytes();
        Self(length.iter().chain(bytes).fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_inputs_give_the_same_name_in_every_run() {
        assert_eq!(
            Fingerprint::new().text("loki").hex(),
            Fingerprint::new().text("loki").hex()
        );
        // A fixed value: a compiler update must not rebuild everything.
        assert_eq!(Fingerprint::new().hex(), "cbf29ce484222325");
    }

    #[test]
    fn a_changed_file_a_renamed_file_and_another_split_give_other_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("go.mod"), "a").unwrap();
        std::fs::write(dir.path().join("go.sum"), "a").unwrap();
        let of = |name| Fingerprint::new().file(dir.path(), name).unwrap().hex();
        let before = of("go.mod");
        assert_ne!(before, of("go.sum"));
        std::fs::write(dir.path().join("go.mod"), "b").unwrap();
        assert_ne!(before, of("go.mod"));
        let split = |a: &str, b: &str| Fingerprint::new().text(a).text(b).hex();
        assert_ne!(split("ab", "c"), split("a", "bc"));
    }
}
