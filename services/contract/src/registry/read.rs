//! Reads the YAML files of the registry. Unknown fields are errors that name file and line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Attribute, AttributeRef, Event, Instrument, Metric, Registry, Span, SpanKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    id: String,
    #[serde(rename = "type")]
    group_type: GroupType,
    brief: String,
    #[serde(rename = "note")]
    _note: Option<IgnoredAny>,
    #[serde(rename = "stability")]
    _stability: Option<IgnoredAny>,
    extends: Option<String>,
    span_kind: Option<SpanKind>,
    metric_name: Option<String>,
    instrument: Option<Instrument>,
    unit: Option<String>,
    name: Option<String>,
    #[serde(default)]
    attributes: Vec<AttributeSpec>,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GroupType {
    AttributeGroup,
    Entity,
    Span,
    Metric,
    Event,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    #[serde(default)]
    shop: Shop,
}

/// What the format has no field for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Shop {
    name: Option<String>,
    by: Vec<String>,
    severity: Vec<String>,
    routes: BTreeMap<String, Vec<String>>,
    services: Vec<String>,
    values: Vec<String>,
}

/// A definition has an `id`, a use has a `ref`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeSpec {
    id: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    #[serde(rename = "type")]
    value_type: Option<ValueType>,
    #[serde(default)]
    brief: String,
    #[serde(default)]
    note: String,
    requirement_level: Option<RequirementLevel>,
    #[serde(default)]
    annotations: Annotations,
    #[serde(rename = "stability")]
    _stability: Option<IgnoredAny>,
    #[serde(rename = "examples")]
    _examples: Option<IgnoredAny>,
    #[serde(rename = "role")]
    _role: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueType {
    Enumeration {
        members: Vec<Member>,
    },
    /// `string`, `int` and the like.
    Simple(IgnoredAny),
}

#[derive(Deserialize)]
struct Member {
    value: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RequirementLevel {
    Level(String),
    Conditional(IgnoredAny),
}

// === impl Registry ===

impl Registry {
    /// The registry of the working copy at `root`.
    pub fn of(root: &Path) -> Result<Self> {
        Self::read(&root.join("services/contract/registry"))
    }

    /// The registry that this crate was built with.
    pub fn shipped() -> Result<Self> {
        Self::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("registry"))
    }

    /// Reads all files of a directory except its manifest, in the order of their names.
    pub fn read(directory: &Path) -> Result<Self> {
        let entries =
            std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        paths.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
                && !path.ends_with("manifest.yaml")
        });
        paths.sort();
        let mut groups = Vec::new();
        for path in paths {
            let name = || path.display().to_string();
            let text = std::fs::read_to_string(&path).with_context(name)?;
            let file: File = yaml_serde::from_str(&text).with_context(name)?;
            groups.extend(file.groups);
        }
        Self::build(&groups)
    }

    fn build(groups: &[Group]) -> Result<Self> {
        let mut registry = Self::default();
        let mut by_id = BTreeMap::new();
        for group in groups {
            if by_id.insert(group.id.as_str(), group).is_some() {
                bail!("the group {} is defined twice", group.id);
            }
            let shop = &group.annotations.shop;
            registry.services.extend(shop.services.iter().cloned());
            let definitions = group
                .attributes
                .iter()
                .filter_map(AttributeSpec::definition);
            for attribute in definitions {
                if registry.attribute(&attribute.name).is_some() {
                    bail!("the attribute {} is defined twice", attribute.name);
                }
                registry.attributes.push(attribute);
            }
        }
        for group in groups {
            registry
                .add(group, &by_id)
                .with_context(|| format!("group {}", group.id))?;
        }
        Ok(registry)
    }

    fn add(&mut self, group: &Group, by_id: &BTreeMap<&str, &Group>) -> Result<()> {
        let attributes = self.attributes_of(group, by_id)?;
        let id = || group.id.split('.').skip(1).collect::<Vec<_>>().join(".");
        let brief = group.brief.clone();
        let shop = &group.annotations.shop;
        let by = || match &*shop.by {
            [] => bail!("annotations.shop.by is missing"),
            [all] if all == "all" => Ok(self.services.clone()),
            named => match named.iter().find(|name| !self.services.contains(name)) {
                Some(name) => bail!("{name} is not a service"),
                None => Ok(named.to_vec()),
            },
        };
        match group.group_type {
            GroupType::AttributeGroup => {}
            GroupType::Entity => self.resource.extend(attributes),
            GroupType::Span => self.spans.push(Span {
                id: id(),
                name: shop
                    .name
                    .clone()
                    .context("annotations.shop.name is missing")?,
                kind: group.span_kind.context("span_kind is missing")?,
                brief,
                by: by()?,
                attributes,
                routes: shop.routes.clone(),
            }),
            GroupType::Metric => self.metrics.push(Metric {
                id: id(),
                name: group
                    .metric_name
                    .clone()
                    .context("metric_name is missing")?,
                brief,
                instrument: group.instrument.context("instrument is missing")?,
                unit: group.unit.clone().context("unit is missing")?,
                by: by()?,
                attributes,
            }),
            GroupType::Event => self.events.push(Event {
                id: id(),
                name: group.name.clone().context("name is missing")?,
                brief,
                severity: shop.severity.clone(),
                by: by()?,
                attributes,
            }),
        }
        Ok(())
    }

    /// Inherited attributes first; a group's own reference replaces an inherited one.
    fn attributes_of(
        &self,
        group: &Group,
        by_id: &BTreeMap<&str, &Group>,
    ) -> Result<Vec<AttributeRef>> {
        let mut all = match &group.extends {
            None => Vec::new(),
            Some(parent) => {
                let parent = by_id.get(&**parent);
                let parent = parent
                    .with_context(|| format!("extends an unknown group {:?}", group.extends))?;
                self.attributes_of(parent, by_id)?
            }
        };
        for spec in &group.attributes {
            let Some(name) = &spec.reference else {
                continue;
            };
            let own = self.attribute(name);
            if own.is_none() && self.is_own_namespace(name) {
                bail!("the attribute {name} is not defined");
            }
            let mut values = spec.annotations.shop.values.clone();
            if let (true, Some(own)) = (values.is_empty(), own) {
                values.clone_from(&own.values);
            }
            all.retain(|inherited: &AttributeRef| inherited.name != *name);
            all.push(AttributeRef {
                name: name.clone(),
                is_required: matches!(&spec.requirement_level, Some(RequirementLevel::Level(level)) if level == "required"),
                note: spec.note.clone(),
                values,
            });
        }
        Ok(all)
    }

    /// Upstream never defines names of ours, so a reference to one that is missing here is a mistake.
    fn is_own_namespace(&self, name: &str) -> bool {
        let namespace = |name: &str| name.split('.').next().map(str::to_owned);
        let mut own = self.attributes.iter();
        own.any(|attribute| namespace(&attribute.name) == namespace(name))
    }
}

// === impl AttributeSpec ===

impl AttributeSpec {
    fn definition(&self) -> Option<Attribute> {
        let values = match &self.value_type {
            Some(ValueType::Enumeration { members }) => {
                members.iter().map(|member| member.value.clone()).collect()
            }
            Some(ValueType::Simple(_)) | None => Vec::new(),
        };
        Some(Attribute {
            name: self.id.clone()?,
            brief: self.brief.clone(),
            values,
        })
    }
}
