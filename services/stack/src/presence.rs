//! What there is on this machine and what runs of it. The latter decides: the shell that asks may know of another
//! Tempo than the one that started it, or of none.

use std::path::{Path, PathBuf};

use crate::component::{Component, Program, component};
use crate::instance::{Instance, LogStore, TraceStore};
use crate::report::Event;
use crate::state::State;
use crate::tools;

/// The remedy where Tempo is there now and was not when the Collector was started.
pub(crate) const CAME_LATER: &str =
    "it came after the Collector's start: `just down`, then `just run` takes it in";

impl Instance {
    /// Who keeps the traces. A running Collector decides, then a running Tempo; else what is installed.
    #[must_use]
    pub fn traces(&self) -> TraceStore {
        if let Some(docker) = &self.docker {
            return self.traces_inside(docker);
        }
        if self.is_archived(&self.state().unwrap_or_default()) {
            TraceStore::Archive(self.data_dir().join("archive"))
        } else {
            TraceStore::Tempo
        }
    }

    /// Where log records are kept.
    #[must_use]
    pub fn logs(&self) -> LogStore {
        if self.has("loki") {
            LogStore::Loki
        } else {
            LogStore::Archive(self.data_dir().join("archive"))
        }
    }

    fn is_archived(&self, state: &State) -> bool {
        let is_installed = || component("tempo").is_ok_and(|tempo| self.installed(tempo).is_some());
        match state.alive("otel-collector") {
            Some(collector) => collector.keeps_archive(),
            None => state.alive("tempo").is_none() && !is_installed(),
        }
    }

    /// The executable of a component that is not built here, if the machine has it.
    pub(crate) fn installed(&self, component: &Component) -> Option<PathBuf> {
        match component.program {
            Program::Installed {
                binary, variable, ..
            } => self
                .environment
                .get(variable)
                .map(PathBuf::from)
                .or_else(|| tools::on_path(binary)),
            Program::Home {
                binary, variable, ..
            } => self
                .environment
                .get(variable)
                .map(|home| Path::new(home).join("bin").join(binary)),
            Program::Tool(_) | Program::Service => None,
        }
        .filter(|path| path.is_file())
    }

    /// What keeps a component from running here, if anything does.
    pub(crate) fn obstacle(&self, component: &Component) -> Option<&'static str> {
        if let Some(docker) = &self.docker {
            return self.obstacle_inside(docker, component);
        }
        let (Program::Installed { remedy, .. } | Program::Home { remedy, .. }) = component.program
        else {
            return None;
        };
        let state = self.state().unwrap_or_default();
        if state.alive(component.name).is_some() {
            return None;
        }
        let is_unused = component.name == "tempo" && self.is_archived(&state);
        match self.installed(component) {
            None => Some(remedy),
            Some(_) => is_unused.then_some(CAME_LATER),
        }
    }

    /// Whether a component is part of this instance: its program or image is there and not `none`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        component(name).is_ok_and(|component| self.obstacle(component).is_none())
    }

    pub(crate) fn note_absence(&self, component: &Component, remedy: &str) {
        let name = component.name;
        let instead = match self.traces() {
            TraceStore::Archive(dir) if name == "tempo" => {
                format!("the Collector keeps the traces in {}", dir.display())
            }
            _ => "links open the backends' own answers".to_owned(),
        };
        let note = match remedy {
            CAME_LATER => format!("{name}: {remedy}; until then {instead}"),
            _ => format!("{name}: not on this machine, {instead}; to have it, {remedy}"),
        };
        self.report.event(&Event::Note(&note));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::process::Identity;
    use crate::setup::Setup;
    use crate::state::Record;

    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        /// `running`: components, each with its arguments. This process stands for all of them.
        fn new(running: &[(&str, &[&str])]) -> Self {
            let bench = Self {
                dir: tempfile::tempdir().unwrap(),
            };
            fs::write(bench.dir.path().join("tempo"), "").unwrap();
            let mut state = bench.shell("none").state().unwrap();
            let own = i32::try_from(std::process::id()).unwrap();
            for (name, arguments) in running {
                let record = Record {
                    identity: Identity::of(own).unwrap(),
                    program: PathBuf::new(),
                    arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
                    setup: Setup::default(),
                    log_offset: 0,
                    is_stopping: false,
                };
                state.insert(name, record).unwrap();
            }
            bench
        }

        fn shell(&self, tempo: &str) -> Instance {
            let root = crate::repository_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
            let instance = Instance::isolated(&root, &self.dir.path().join("instance")).unwrap();
            let tempo = self.dir.path().join(tempo);
            instance.with_variable("TEMPO_BIN", &tempo.to_string_lossy())
        }
    }

    fn order_gets(instance: &Instance, name: &str) -> Option<String> {
        let order = component("order").unwrap();
        let launch = instance.launch(order, "order".into()).unwrap();
        let mut environment = launch.environment.into_iter();
        environment.find_map(|(known, value)| (known == name).then_some(value))
    }

    #[test]
    fn a_tempo_that_runs_is_there_also_for_a_shell_that_knows_of_none() {
        let tempo = component("tempo").unwrap();
        for running in [
            &[
                ("otel-collector", &["--config=config.yaml"][..]),
                ("tempo", &[]),
            ][..],
            // The Collector was stopped: it is started again for this Tempo.
            &[("tempo", &[])],
        ] {
            let bench = Bench::new(running);
            let other = bench.shell("none");
            assert_eq!(other.traces(), TraceStore::Tempo);
            assert_eq!(other.obstacle(tempo), None);
            assert!(other.targets().unwrap().contains("tempo"));
            let given = order_gets(&other, "SHOP_TEMPO_URL").unwrap();
            assert_eq!(given, other.addresses().tempo);
        }
    }

    #[test]
    fn a_tempo_that_came_after_the_collector_is_left_out_with_the_way_to_take_it_in() {
        let collector = [
            "--config=config.yaml",
            "--config=/x/collector/archive-traces.yaml",
        ];
        let bench = Bench::new(&[("otel-collector", &collector)]);
        let shell = bench.shell("tempo");
        let tempo = component("tempo").unwrap();
        assert!(matches!(shell.traces(), TraceStore::Archive(_)));
        let remedy = shell.obstacle(tempo).unwrap();
        assert!(remedy.contains("`just down`, then `just run`"), "{remedy}");
        assert!(!shell.targets().unwrap().contains("tempo"));
        let status = shell.status().unwrap();
        let row = status.iter().find(|row| row.name == "tempo").unwrap();
        assert_eq!(row.note, remedy);
        let without = bench.shell("none");
        assert!(!without.obstacle(tempo).unwrap().contains("just down"));
    }
}
