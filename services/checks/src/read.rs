//! Reads `checks/*.yaml` and `checks/trees/*.txt`. What is wrong with them is reported with file and line.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use yaml_serde::Value;

use crate::fill;
use crate::row::{Row, Stage};

/// Belongs to the breaks, which have a vocabulary of their own.
const NO_ROWS: &str = "mutations.yaml";
/// Addresses that a text may name: `{loki}/ready`.
pub const PLACES: [&str; 6] = [
    "gateway",
    "otel-collector",
    "zpages",
    "prometheus",
    "loki",
    "tempo",
];
/// Of one run: its marker, when its drive began in seconds since 1970, and how long ago the oldest process was started.
const OF_THE_RUN: [&str; 3] = ["marker", "start", "age"];

/// The lists of the topology that `each` can name.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pub services: Vec<String>,
    pub databases: Vec<String>,
    /// Client and server of each call.
    pub calls: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub struct Checks {
    pub rows: Vec<Row>,
    /// Golden trees by file name, without `.txt`.
    pub trees: BTreeMap<String, String>,
    /// Documented names that no request brings about, and where they are proven instead.
    pub unprovoked: BTreeMap<String, String>,
}

/// What a variable of `each` stands for, one row for each value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Each {
    /// A list of the topology, such as `stack.services`.
    Named(String),
    Values(Vec<String>),
    /// `{call.client}` and `{call.server}` of `call`.
    Records(Vec<BTreeMap<String, String>>),
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    unprovoked: BTreeMap<String, String>,
    #[serde(flatten)]
    stages: BTreeMap<Stage, Vec<Value>>,
}

// === impl Lists ===

impl Lists {
    fn values(&self, each: &Each) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        let plain = |values: &[String]| {
            let record = |value: &String| BTreeMap::from([(String::new(), value.clone())]);
            values.iter().map(record).collect()
        };
        Ok(match each {
            Each::Values(values) => plain(values),
            Each::Records(records) => records
                .iter()
                .map(|record| {
                    record
                        .iter()
                        .map(|(key, value)| (format!(".{key}"), value.clone()))
                        .collect()
                })
                .collect(),
            Each::Named(name) => match name.as_str() {
                "stack.services" => plain(&self.services),
                "stack.databases" => plain(&self.databases),
                "stack.calls" => self
                    .calls
                    .iter()
                    .map(|(client, server)| {
                        BTreeMap::from([
                            (".client".to_owned(), client.clone()),
                            (".server".to_owned(), server.clone()),
                        ])
                    })
                    .collect(),
                _ => bail!(
                    "no list {name}: there are stack.services, stack.databases and stack.calls"
                ),
            },
        })
    }

    /// The values of each row that `each` makes of one.
    fn combinations(
        &self,
        each: &BTreeMap<String, Each>,
    ) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        let mut all = vec![BTreeMap::new()];
        for (variable, each) in each {
            let values = self.values(each)?;
            ensure!(!values.is_empty(), "`each`: {variable} has no value");
            let with = |so_far: &BTreeMap<String, String>| {
                let so_far = so_far.clone();
                values
                    .iter()
                    .map(move |record| {
                        let mut combined = so_far.clone();
                        combined.extend(
                            record
                                .iter()
                                .map(|(key, value)| (format!("{variable}{key}"), value.clone())),
                        );
                        combined
                    })
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(with).collect();
        }
        Ok(all)
    }
}

// === impl Checks ===

impl Checks {
    /// Reads the files of the working copy at `root`.
    pub fn read(root: &Path, lists: &Lists) -> anyhow::Result<Self> {
        let mut checks = Self::default();
        for (name, text) in files(&root.join("checks/trees"), "txt")? {
            let tree = name.trim_end_matches(".txt").to_owned();
            crate::tree::parse(&text).with_context(|| format!("checks/trees/{name}"))?;
            checks.trees.insert(tree, text);
        }
        for (name, text) in files(&root.join("checks"), "yaml")? {
            if name != NO_ROWS {
                checks.add(&format!("checks/{name}"), &text, lists)?;
            }
        }
        checks.examine()?;
        Ok(checks)
    }

    /// The requests of the drive.
    pub fn requests(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_request())
    }

    pub fn request(&self, id: &str) -> Option<&Row> {
        self.requests().find(|row| row.id == id)
    }

    fn add(&mut self, path: &str, text: &str, lists: &Lists) -> anyhow::Result<()> {
        // The error of the parser names line and column.
        let file: File = yaml_serde::from_str(text).map_err(|error| anyhow!("{path}: {error}"))?;
        let before = self.rows.len();
        for (stage, rows) in file.stages {
            for row in rows {
                let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
                let place = format!("{path}:{}", line_of(text, name));
                self.expand(row, stage, &place, lists)
                    .with_context(|| place.clone())?;
            }
        }
        self.unprovoked.extend(file.unprovoked);
        ensure!(self.rows.len() > before, "{path}:1: no row");
        Ok(())
    }

    fn expand(
        &mut self,
        mut row: Value,
        stage: Stage,
        place: &str,
        lists: &Lists,
    ) -> anyhow::Result<()> {
        let each = row.as_mapping_mut().and_then(|row| row.remove("each"));
        let each: BTreeMap<String, Each> = each
            .map(yaml_serde::from_value)
            .transpose()?
            .unwrap_or_default();
        for values in lists.combinations(&each)? {
            let unused: RefCell<BTreeSet<String>> = RefCell::new(values.keys().cloned().collect());
            let mut texts = row.clone();
            fill::substitute(&mut texts, &|text| {
                fill::fill_known(text, |name| {
                    unused.borrow_mut().remove(name);
                    values.get(name).cloned()
                })
            })?;
            if let Some(variable) = unused.borrow().first() {
                bail!("`each`: {{{variable}}} is not used");
            }
            let mut row: Row = yaml_serde::from_value(texts)?;
            row.name = fill::fill(&row.name, |_| None)?;
            row.stage = stage;
            place.clone_into(&mut row.place);
            row.examine()?;
            self.rows.push(row);
        }
        Ok(())
    }

    /// What only the whole set shows: names that are used twice, never, or that do not exist.
    fn examine(&self) -> anyhow::Result<()> {
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for row in &self.rows {
            ensure!(
                names.insert(&row.name),
                "{}: a second row {:?}",
                row.place,
                row.name
            );
        }
        for row in self.requests() {
            ensure!(
                ids.insert(&row.id),
                "{}: a second request {}",
                row.place,
                row.id
            );
        }
        let used = RefCell::new(BTreeSet::new());
        for row in &self.rows {
            for id in row.named_requests() {
                ensure!(ids.contains(id), "{}: there is no request {id}", row.place);
            }
            let texts = Row {
                name: String::new(),
                remedy: None,
                ..row.clone()
            };
            let examined = |text: &str| {
                for name in fill::names(text)? {
                    self.variable(&name)?;
                    used.borrow_mut().insert(name);
                }
                Ok(text.to_owned())
            };
            fill::substitute(&mut yaml_serde::to_value(&texts)?, &examined)
                .with_context(|| row.place.clone())?;
            if let Some(tree) = &row.tree {
                ensure!(
                    self.trees.contains_key(tree),
                    "{}: there is no checks/trees/{tree}.txt",
                    row.place
                );
                used.borrow_mut().insert(format!("tree {tree}"));
            }
        }
        let used = used.into_inner();
        if let Some(tree) = self
            .trees
            .keys()
            .find(|tree| !used.contains(&format!("tree {tree}")))
        {
            bail!("checks/trees/{tree}.txt:1: no row uses this tree");
        }
        for row in self.requests() {
            let unused = |part: &&String| !used.contains(&format!("{}.{part}", row.id));
            if let Some(part) = row.capture.keys().find(unused) {
                bail!("{}: no row uses {{{}.{part}}}", row.place, row.id);
            }
        }
        Ok(())
    }

    fn variable(&self, name: &str) -> anyhow::Result<()> {
        if PLACES.contains(&name) || OF_THE_RUN.contains(&name) {
            return Ok(());
        }
        let (id, part) = name
            .split_once('.')
            .with_context(|| format!("there is no variable {{{name}}}"))?;
        if id == "pad" && part.parse::<usize>().is_ok() {
            return Ok(());
        }
        let request = self
            .request(id)
            .with_context(|| format!("{{{name}}}: there is no request {id}"))?;
        let is_known = ["trace", "parent"].contains(&part) || request.capture.contains_key(part);
        ensure!(is_known, "{{{name}}}: request {id} captures no {part}");
        Ok(())
    }
}

/// The files with this extension, in the order of their names.
fn files(directory: &Path, extension: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|is| is == extension) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            ensure!(
                !text.trim().is_empty(),
                "{}:1: the file is empty",
                path.display()
            );
            found.push((name, text));
        }
    }
    found.sort();
    Ok(found)
}

/// Names are unique, so the first line that has one is its row's.
fn line_of(text: &str, name: &str) -> usize {
    let is_name = |line: &str| line.contains("name:") && line.contains(name);
    text.lines().position(is_name).map_or(1, |index| index + 1)
}
