//! The pinned images: which are here, which can be pulled, which are stand-ins.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::thread;

use serde::{Deserialize, Serialize};

use super::choice::Docker;
use super::container;
use super::engine::{Engine, reason};
use crate::component::Component;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::job::{Job, Work};
use crate::report::Event;

/// The components whose image is pinned, with the variable of `.env` that does it.
pub(crate) const PINNED: &[(&str, &str)] = &[
    ("otel-collector", "OTELCOL_IMAGE"),
    ("tempo", "TEMPO_IMAGE"),
    ("prometheus", "PROMETHEUS_IMAGE"),
    ("loki", "LOKI_IMAGE"),
    ("promtail", "PROMTAIL_IMAGE"),
    ("grafana", "GRAFANA_IMAGE"),
];

/// Those that the stack can do without, and what a person can do to have them.
pub(crate) const OPTIONAL: &[(&str, &str)] = &[
    (
        "tempo",
        "make its image's registry reachable, or name a `tempo` binary in TEMPO_BIN for `just images`",
    ),
    ("grafana", "make its image's registry reachable"),
];

/// One pinned image, as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    pub component: &'static str,
    /// Name and tag, as pinned.
    pub reference: String,
    pub origin: Origin,
    /// In bytes, of what the engine has.
    pub size: Option<u64>,
}

/// Where an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Under its pinned name, and not ours.
    Real,
    /// Made here from a native binary.
    StandIn,
    Absent,
}

/// What the engine says of an image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Details {
    size: u64,
    config: Option<Config>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

impl Instance {
    /// Every pinned image.
    pub fn images(&self) -> Result<Vec<Image>> {
        let docker = self.any_docker()?;
        PINNED
            .iter()
            .map(|&(component, variable)| {
                let reference = self.environment.expand(&format!("${{{variable}}}"))?;
                let details = docker.engine.image(&reference);
                Ok(Image {
                    component,
                    origin: match &details {
                        None => Origin::Absent,
                        Some(details) if details.label(container::STAND_IN).is_some() => {
                            Origin::StandIn
                        }
                        Some(_) => Origin::Real,
                    },
                    size: details.map(|details| details.size),
                    reference,
                })
            })
            .collect()
    }

    /// Whether the engine has the pinned image of a component.
    pub(crate) fn has_image(&self, docker: &Docker, name: &str) -> bool {
        self.pinned(name)
            .is_some_and(|reference| docker.engine.image(reference).is_some())
    }

    pub(crate) fn pinned(&self, name: &str) -> Option<&str> {
        let (_, variable) = PINNED.iter().find(|(component, _)| *component == name)?;
        self.environment.get(variable)
    }

    /// Pulls what is not here. Without an image of Tempo or Grafana the rest can do its work; the caller leaves them out.
    pub(crate) fn fetch_images(
        &self,
        docker: &Docker,
        wanted: &[&'static Component],
    ) -> Result<()> {
        let missing: Vec<_> = wanted
            .iter()
            .filter_map(|component| Some((component.name, self.pinned(component.name)?)))
            .filter(|(_, reference)| docker.engine.image(reference).is_none())
            .collect();
        let pulls: Vec<_> = thread::scope(|scope| {
            let pull = |&(name, reference)| scope.spawn(move || self.pull(docker, name, reference));
            let threads: Vec<_> = missing.iter().map(pull).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or(Ok(()));
            threads.into_iter().map(join).collect()
        });
        for ((name, reference), pulled) in missing.into_iter().zip(pulls) {
            let Err(reason) = pulled else { continue };
            if OPTIONAL.iter().any(|(optional, _)| *optional == name) {
                let note = format!("{reference} cannot be pulled: {reason}");
                self.report.event(&Event::Note(&note));
            } else {
                return Err(Error::ImageMissing {
                    component: name.to_owned(),
                    image: reference.to_owned(),
                    reason,
                });
            }
        }
        Ok(())
    }

    /// Or the reason why not, in one line.
    fn pull(&self, docker: &Docker, name: &'static str, reference: &str) -> Result<(), String> {
        let note = format!("pulling {reference}");
        self.report.event(&Event::Note(&note));
        let mut command = docker.engine.command();
        command.args(["pull", reference]);
        let job = Job {
            work: Work::Pull,
            what: name,
            command,
            log: self.home.join(format!("logs/pull-{name}.txt")),
        };
        match job.run(&*self.report, &AtomicBool::new(false)) {
            Ok(()) => Ok(()),
            Err(Error::Build { tail, .. }) => Err(reason(&tail)),
            Err(other) => Err(other.to_string()),
        }
    }
}

// === impl Engine ===

impl Engine {
    /// An image that the engine has.
    pub(crate) fn image(&self, reference: &str) -> Option<Details> {
        let json = self
            .ask(&["image", "inspect", "--format", "{{json .}}", reference])
            .ok()?;
        serde_json::from_str(&json).ok()
    }
}

// === impl Details ===

impl Details {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let labels = self.config.as_ref()?.labels.as_ref()?;
        labels.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::component;

    #[test]
    fn size_and_labels_of_an_image_are_read_also_when_it_has_none() {
        let read = |json: &str| serde_json::from_str::<Details>(json).unwrap();
        let made = read(r#"{"Size":9,"Config":{"Labels":{"otel-shop.stand-in":"loki"}}}"#);
        assert_eq!(
            (made.size, made.label(container::STAND_IN)),
            (9, Some("loki"))
        );
        for json in [
            r#"{"Size":9,"Config":{"Labels":null}}"#,
            r#"{"Size":9,"Config":null}"#,
        ] {
            assert_eq!(read(json).label(container::STAND_IN), None);
        }
    }

    #[test]
    fn pinned_and_optional_images_are_components_of_the_table() {
        let optional = OPTIONAL.iter().map(|(name, _)| *name);
        for name in PINNED.iter().map(|(name, _)| *name).chain(optional) {
            component(name).unwrap();
        }
    }
}
