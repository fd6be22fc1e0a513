//! What a component is started with: program, arguments, environment and configuration files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use probe::Probe;

use crate::error::{Result, failed};
use crate::instance::{Instance, is_setting_of_services};
use crate::process::Launch;
use crate::topology::Component;

/// Of the shell only what any program needs. No proxy: all that the components talk to is on this machine.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "RUST_BACKTRACE",
];

/// A hash of each part of a start: never a value, which may be a secret.
pub(crate) type Hashes = BTreeMap<String, String>;

impl Instance {
    /// Everything that is needed to start a component, and the hashes by which a later start sees what has changed.
    pub(crate) fn launch(
        &self,
        component: &Component,
        program: PathBuf,
    ) -> Result<(Launch, Hashes)> {
        let component = &self.with_overlays(component);
        let arguments = component.arguments.iter();
        let launch = Launch {
            program,
            arguments: arguments
                .map(|text| self.environment.expand(text))
                .collect::<Result<_>>()?,
            environment: self.environment_of(component)?,
            directory: self.root.clone(),
            log: self.component_log(&component.name),
        };
        // A program that was replaced at its place is another one.
        let file = fs::metadata(&launch.program).map(|file| (file.ino(), file.mtime(), file.len()));
        let program = format!("{} {file:?}", launch.program.display());
        let environment = launch.environment.iter();
        let environment = environment.filter(|(name, _)| !INHERITED.contains(&&***name));
        let environment = environment.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let hashes = [
            ("program", hash([program])),
            ("arguments", hash(&launch.arguments)),
            ("environment", hash(environment)),
            ("files", self.hash_of_files(component)?),
        ];
        Ok((
            launch,
            hashes.map(|(part, hash)| (part.to_owned(), hash)).into(),
        ))
    }

    pub(crate) fn hash_of_files(&self, component: &Component) -> Result<String> {
        let files = self.files(component)?;
        let parts = files
            .iter()
            .flat_map(|(path, content)| [path.as_os_str().as_bytes(), content]);
        Ok(hash(parts))
    }

    /// The configuration files that it reads, with their content.
    fn files(&self, component: &Component) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut files = Vec::new();
        for template in &component.files {
            read_all(Path::new(&self.environment.expand(template)?), &mut files);
        }
        Ok(files)
    }

    /// A component with what it gets where others are missing.
    pub(crate) fn with_overlays(&self, component: &Component) -> Component {
        let mut component = component.clone();
        component
            .overlays
            .retain(|overlay| self.lacks_by_name(&overlay.without));
        for overlay in &component.overlays {
            component.arguments.extend_from_slice(&overlay.arguments);
            component.files.extend_from_slice(&overlay.files);
            component.ports.extend_from_slice(&overlay.ports);
        }
        component
    }

    pub(crate) fn probe_of(&self, component: &Component) -> Result<Probe> {
        let target = self.environment.expand(&component.ready)?;
        target
            .parse()
            .map_err(|error| failed!("stack.toml: {}: {error}", component.name))
    }

    fn environment_of(&self, component: &Component) -> Result<BTreeMap<String, OsString>> {
        let mut result = BTreeMap::new();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                result.insert((*name).to_owned(), value);
            }
        }
        let mut own = component.environment.clone();
        if component.is_service() {
            for (name, variable) in [("tempo", "SHOP_TEMPO_URL"), ("loki", "SHOP_LOKI_URL")] {
                if self.lacks_by_name(name) {
                    own.insert(variable.into(), "none".into());
                }
            }
            if self.lacks_by_name("grafana") {
                own.remove("SHOP_GRAFANA_URL");
            }
        }
        for (name, template) in &own {
            result.insert(name.clone(), self.environment.expand(template)?.into());
        }
        let files = self.files(component)?;
        let named: Vec<_> = files
            .iter()
            .flat_map(|(_, content)| words(content))
            .collect();
        for (name, value) in self.environment.iter() {
            // A setting of the services, such as an OTEL_* of the shell, would make some backends trace themselves.
            let is_for_it = match component.is_service() {
                true => is_setting_of_services(name) && name != "SHOP_LISTEN_ADDR",
                false => named.contains(&name.as_bytes()) && !own.contains_key(name),
            };
            if is_for_it {
                result.insert(name.to_owned(), value.into());
            }
        }
        Ok(result)
    }
}

/// Which parts differ, in words; nothing if none does.
pub(crate) fn difference(before: &Hashes, now: &Hashes) -> Option<String> {
    let changed = now
        .iter()
        .filter(|(part, hash)| before.get(*part) != Some(hash));
    let changed: Vec<_> = changed.map(|(part, _)| part.as_str()).collect();
    (!changed.is_empty()).then(|| format!("changed: {}", changed.join(", ")))
}

/// FNV-1a, the same in every version of the compiler. It names a state; no one gains by forging one.
pub(crate) fn hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // The length goes in first, so that "ab", "c" and "a", "bc" differ.
        let length = (part.as_ref().len() as u64).to_le_bytes();
        for byte in length.iter().chain(part.as_ref()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// A file, or all files below a directory. A missing one is reported by the program that wants it.
fn read_all(place: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    if !place.is_dir() {
        found.push((place.to_owned(), fs::read(place).unwrap_or_default()));
        return;
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut below: Vec<_> = entries.map(|entry| entry.path()).collect();
    below.sort();
    below.iter().for_each(|path| read_all(path, found));
}

/// The names of variables that occur in a file, and other words in capitals.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|c| !(c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_'))
}
