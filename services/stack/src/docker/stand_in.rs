//! `stack images`: images under the pinned names, made from native binaries, for a machine without an image registry.
//!
//! The same paths, users and owned directories as the real ones, and a label that says what they are. A real image is
//! never replaced. Both builders make the same of these files: each copies the modes of what is inside a directory, and
//! only one the mode of the directory itself.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::choice::{Docker, Lack};
use super::container::STAND_IN;
use super::engine::Engine;
use super::images::PINNED;
use crate::component::component;
use crate::error::{Error, IoContext as _, Result};
use crate::fingerprint::Fingerprint;
use crate::instance::Instance;
use crate::job::{Job, Work};
use crate::report::Event;

/// What a stand-in was made of: another binary makes another image.
const MADE_OF: &str = "otel-shop.stand-in.made-of";

/// How the real image of a component looks from outside.
#[derive(Debug)]
struct Recipe {
    component: &'static str,
    /// Native programs and their places in the image; the first is what it runs.
    programs: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    user: &'static str,
    /// Directories of that user: path and mode.
    owned: &'static [(&'static str, u32)],
    /// Directories of root.
    directories: &'static [&'static str],
    work_dir: &'static str,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        component: "otel-collector",
        programs: &[("otelcol", "/otelcol-contrib")],
        arguments: &["--config", "/etc/otelcol-contrib/config.yaml"],
        user: "10001:10001",
        owned: &[],
        directories: &["etc/otelcol-contrib"],
        work_dir: "/",
    },
    Recipe {
        component: "tempo",
        programs: &[("tempo", "/tempo")],
        arguments: &[],
        user: "10001:10001",
        owned: &[("var/tempo", 0o700)],
        directories: &["etc"],
        work_dir: "/",
    },
    Recipe {
        component: "prometheus",
        programs: &[
            ("prometheus", "/bin/prometheus"),
            ("promtool", "/bin/promtool"),
        ],
        arguments: &[
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
        ],
        user: "65534:65534",
        owned: &[("prometheus", 0o755)],
        directories: &["etc/prometheus"],
        work_dir: "/prometheus",
    },
    Recipe {
        component: "loki",
        programs: &[("loki", "/usr/bin/loki")],
        arguments: &["-config.file=/etc/loki/local-config.yaml"],
        user: "10001:10001",
        owned: &[("loki", 0o755)],
        directories: &["etc/loki"],
        work_dir: "/",
    },
    Recipe {
        component: "promtail",
        programs: &[("promtail", "/usr/bin/promtail")],
        arguments: &["-config.file=/etc/promtail/config.yml"],
        user: "0:0",
        owned: &[],
        directories: &["etc/promtail"],
        work_dir: "/",
    },
];

impl Instance {
    /// Makes a stand-in for each pinned image that the engine does not have, and again for those of ours whose binary
    /// has changed since.
    pub fn make_stand_ins(&self) -> Result<()> {
        let docker = self.any_docker()?;
        let _exclusive = self.exclusive()?;
        let logs = self.home.join("logs");
        fs::create_dir_all(&logs).context("create", &logs)?;
        for &(name, _) in PINNED {
            match RECIPES.iter().find(|recipe| recipe.component == name) {
                Some(recipe) => self.make_stand_in(docker, recipe)?,
                None if !self.has_image(docker, name) => self.report.event(&Event::Note(&format!(
                    "{name}: no stand-in, it is more than a binary; without its image it is left out"
                ))),
                None => {}
            }
        }
        Ok(())
    }

    /// Removes the stand-ins, and nothing else.
    pub fn remove_stand_ins(&self) -> Result<()> {
        let docker = self.any_docker()?;
        let _exclusive = self.exclusive()?;
        let mut is_idle = true;
        for &(name, _) in PINNED {
            let Some(reference) = self.pinned(name) else {
                continue;
            };
            let image = docker.engine.image(reference);
            if image.is_some_and(|image| image.label(STAND_IN).is_some()) {
                is_idle = false;
                docker.engine.ask(&["image", "rm", reference])?;
                self.report
                    .event(&Event::Note(&format!("removed the stand-in {reference}")));
            }
        }
        if is_idle {
            self.report.event(&Event::Note("there are no stand-ins"));
        }
        Ok(())
    }

    fn make_stand_in(&self, docker: &Docker, recipe: &Recipe) -> Result<()> {
        let name = recipe.component;
        let Some(reference) = self.pinned(name) else {
            return Ok(());
        };
        let present = docker.engine.image(reference);
        if present
            .as_ref()
            .is_some_and(|image| image.label(STAND_IN).is_none())
        {
            return Ok(());
        }
        let Some(programs) = self.programs(recipe)? else {
            return Ok(());
        };
        let dockerfile = recipe.dockerfile();
        let made_of = made_of(&dockerfile, &programs)?;
        if present.is_some_and(|image| image.label(MADE_OF) == Some(&*made_of)) {
            return Ok(());
        }
        let context = self.images_dir().join(name);
        recipe.fill(&context, &dockerfile, &programs)?;
        let mut command = docker.engine.command();
        if !docker.engine.has_buildx() {
            command.env("DOCKER_BUILDKIT", "0");
        }
        command.args([
            "build",
            "--tag",
            reference,
            "--label",
            &format!("{MADE_OF}={made_of}"),
        ]);
        command.arg(&context);
        Job {
            work: Work::Build,
            what: name,
            command,
            log: self.home.join(format!("logs/image-{name}.txt")),
        }
        .run(&*self.report, &AtomicBool::new(false))?;
        // Linked or copied: either way nobody needs it any more.
        fs::remove_dir_all(&context).context("remove", &context)?;
        self.report
            .event(&Event::Note(&format!("made a stand-in for {reference}")));
        Ok(())
    }

    /// The native programs of an image, built if needed; `None` if this machine cannot have them.
    fn programs(&self, recipe: &Recipe) -> Result<Option<Vec<PathBuf>>> {
        if recipe.component != "tempo" {
            let names = recipe.programs.iter().map(|(program, _)| program);
            return names
                .map(|program| self.tool(program))
                .collect::<Result<_>>()
                .map(Some);
        }
        let found = self.installed(component("tempo")?);
        let Some(tempo) = found else {
            self.report.event(&Event::Note(
                "tempo: no stand-in, there is no `tempo` binary (on PATH, or named in TEMPO_BIN); without it the \
                 Collector keeps the traces",
            ));
            return Ok(None);
        };
        let bytes = fs::read(&tempo).context("read", &tempo)?;
        if needs_a_loader(&bytes) {
            self.report.event(&Event::Note(&format!(
                "tempo: no stand-in, {} is linked with shared libraries, which an empty image does not have",
                tempo.display()
            )));
            return Ok(None);
        }
        Ok(Some(vec![tempo]))
    }
}

// === impl Recipe ===

impl Recipe {
    fn dockerfile(&self) -> String {
        let mut text = format!(
            "# Generated by `stack images`: stands in for the pinned image of {name} where no registry is reachable.\n\
             FROM scratch\nLABEL {STAND_IN}={name}\n",
            name = self.component
        );
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        for (program, place) in self.programs {
            line(format!("COPY {program} {place}"));
        }
        for (directory, mode) in self.owned {
            // Its mode is copied only as a part of the directory above, which then gets its owner back below.
            let copied = if *mode == 0o755 {
                *directory
            } else {
                parent(directory)
            };
            line(format!(
                "COPY --chown={} owned/{copied} /{copied}",
                self.user
            ));
        }
        line("COPY root /".to_owned());
        line(format!("USER {}", self.user));
        line(format!("WORKDIR {}", self.work_dir));
        let (_, program) = self.programs[0];
        line(format!("ENTRYPOINT [\"{program}\"]"));
        let arguments: Vec<_> = self
            .arguments
            .iter()
            .map(|argument| format!("{argument:?}"))
            .collect();
        line(format!("CMD [{}]", arguments.join(", ")));
        text
    }

    /// Writes the build's context: the text, the programs, and empty directories with their modes.
    fn fill(&self, context: &Path, dockerfile: &str, programs: &[PathBuf]) -> Result<()> {
        if context.exists() {
            fs::remove_dir_all(context).context("remove", context)?;
        }
        let above = self.owned.iter().map(|(directory, _)| parent(directory));
        let roots: BTreeSet<_> = self.directories.iter().copied().chain(above).collect();
        for directory in roots {
            make(context, &format!("root/{directory}"), 0o755)?;
        }
        make(context, "root/tmp", 0o1777)?;
        for (directory, mode) in self.owned {
            make(context, &format!("owned/{directory}"), *mode)?;
        }
        for ((name, _), program) in self.programs.iter().zip(programs) {
            link_or_copy(program, &context.join(name))?;
        }
        let place = context.join("Dockerfile");
        fs::write(&place, dockerfile).context("write", &place)
    }
}

/// `var` of `var/tempo`; nothing of `loki`.
fn parent(directory: &str) -> &str {
    directory.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn make(context: &Path, directory: &str, mode: u32) -> Result<()> {
    let path = context.join(directory);
    fs::create_dir_all(&path).context("create", &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).context("change", &path)
}

/// A link saves hundreds of megabytes, where both places are on one disk.
fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(_) => fs::copy(from, to).map(drop).context("copy", from),
    }
}

/// The text, and which files at which time: reading hundreds of megabytes at each call would take seconds.
fn made_of(dockerfile: &str, programs: &[PathBuf]) -> Result<String> {
    let mut key = Fingerprint::new().text(dockerfile);
    for program in programs {
        let metadata = fs::metadata(program).context("read", program)?;
        let (size, changed) = (metadata.len(), metadata.mtime());
        key = key.text(&format!("{} {size} {changed}", program.display()));
    }
    Ok(key.hex())
}

/// Whether a 64-bit ELF file names an interpreter, which is the loader of shared libraries.
fn needs_a_loader(elf: &[u8]) -> bool {
    const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at + length)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)),
        )
    };
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return false;
    };
    (0..count).any(|index| {
        let entry = index
            .checked_mul(size)
            .and_then(|offset| table.checked_add(offset));
        entry.and_then(|entry| elf.get(entry..entry.checked_add(4)?)) == Some(&INTERPRETER[..])
    })
}

impl Instance {
    /// The engine, whichever way the stack runs.
    pub(crate) fn any_docker(&self) -> Result<&Docker> {
        if let Some(docker) = &self.docker {
            return Ok(docker);
        }
        let lacking = |lack: Lack| Error::Docker {
            remedy: lack.remedy(),
            lack,
        };
        let engine = Engine::on_path().ok_or_else(|| lacking(Lack::Client))?;
        if let Err(lack @ Lack::Engine(_)) = engine.info() {
            return Err(lacking(lack));
        }
        Ok(self.spare_docker.get_or_init(|| self.docker_of(engine)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(name: &str) -> &'static Recipe {
        RECIPES
            .iter()
            .find(|recipe| recipe.component == name)
            .unwrap()
    }

    #[test]
    fn a_stand_in_has_the_paths_the_user_and_the_owned_directories_of_the_real_image() {
        let prometheus = recipe("prometheus").dockerfile();
        let expected = [
            "FROM scratch",
            "LABEL otel-shop.stand-in=prometheus",
            "COPY prometheus /bin/prometheus",
            "COPY promtool /bin/promtool",
            "COPY --chown=65534:65534 owned/prometheus /prometheus",
            "COPY root /",
            "USER 65534:65534",
            "WORKDIR /prometheus",
            "ENTRYPOINT [\"/bin/prometheus\"]",
            "CMD [\"--config.file=/etc/prometheus/prometheus.yml\", \"--storage.tsdb.path=/prometheus\"]",
        ];
        let lines: Vec<_> = prometheus.lines().skip(1).collect();
        assert_eq!(lines, expected);
        assert!(
            recipe("tempo")
                .dockerfile()
                .contains("COPY --chown=10001:10001 owned/var /var\n")
        );
    }

    #[test]
    fn the_context_holds_programs_and_directories_with_their_modes() {
        let dir = tempfile::tempdir().unwrap();
        let (context, binary) = (dir.path().join("context"), dir.path().join("tempo-3"));
        fs::write(&binary, "binary").unwrap();
        let recipe = recipe("tempo");
        recipe
            .fill(
                &context,
                &recipe.dockerfile(),
                std::slice::from_ref(&binary),
            )
            .unwrap();
        let mode = |path: &str| fs::metadata(context.join(path)).unwrap().mode() & 0o7777;
        assert_eq!(mode("owned/var/tempo"), 0o700);
        assert_eq!(mode("root/tmp"), 0o1777);
        assert_eq!(mode("root/var"), 0o755, "gives it back to root");
        assert_eq!(fs::read_to_string(context.join("tempo")).unwrap(), "binary");
    }

    #[test]
    fn another_binary_or_another_recipe_is_another_image() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("loki");
        fs::write(&binary, "one").unwrap();
        let programs = [binary.clone()];
        let first = made_of("FROM scratch", &programs).unwrap();
        assert_eq!(made_of("FROM scratch", &programs).unwrap(), first);
        assert_ne!(made_of("FROM other", &programs).unwrap(), first);
        fs::write(&binary, "three").unwrap();
        assert_ne!(made_of("FROM scratch", &programs).unwrap(), first);
    }

    #[test]
    fn a_program_with_shared_libraries_is_recognised() {
        // This test's own binary is one; a text is none, and neither is a header that points nowhere.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(needs_a_loader(&own));
        assert!(!needs_a_loader(b"#!/bin/sh\n"));
        assert!(!needs_a_loader(&[0xff; 64]));
    }

    #[test]
    fn every_program_of_a_recipe_can_be_had() {
        let built: Vec<_> = crate::tools::TOOLS
            .iter()
            .flat_map(|tool| tool.programs())
            .collect();
        for recipe in RECIPES {
            for (program, _) in recipe.programs {
                assert!(built.contains(program) || *program == "tempo", "{program}");
            }
        }
    }
}
