//! Starting: builds run beside each other, and each component starts as soon as its program is there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::component::{COMPONENTS, Component, Program, component};
use crate::docker::port_holder;
use crate::error::{Error, Result};
use crate::instance::{Instance, Profile, TraceStore};
use crate::job::{Job, Work};
use crate::line_endings;
use crate::ports::{self, Port};
use crate::process::{Started, Stopped, tail};
use crate::report::Event;
use crate::state::{Record, State};
use crate::tools::{TOOLS, Workshop};
use crate::wait;

/// How long the sockets of a process that was killed may take to go.
const CLOSING: Duration = Duration::from_secs(2);

/// A component on its way.
struct Task {
    component: &'static Component,
    stage: Stage,
}

enum Stage {
    Waiting,
    Starting { process: Started, since: Instant },
    Ready,
}

/// What a build thread hands over: the directory with the programs of a tool, or of the services.
type Built = (Program, Result<PathBuf>);

impl Instance {
    /// The Collector and its backends, ready on return. What runs already is left alone.
    pub fn up(&self) -> Result<()> {
        self.tell_choice()?;
        self.bring_up(
            COMPONENTS
                .iter()
                .filter(|component| !component.is_service()),
        )
    }

    /// `up` and the four services. They start when the Collector is ready, also while backends are still being built:
    /// the Collector keeps what these cannot take yet.
    pub fn run(&self) -> Result<()> {
        self.tell_choice()?;
        self.places()?.require_one_kind_of_services()?;
        self.bring_up(COMPONENTS.iter())
    }

    /// One component, built if needed, ready on return.
    pub fn start_component(&self, name: &str) -> Result<()> {
        let component = component(name)?;
        if let Some(remedy) = self.obstacle(component) {
            return Err(Error::Unavailable {
                component: component.name,
                remedy,
            });
        }
        self.bring_up([component].into_iter())
    }

    /// Stop and start.
    pub fn restart(&self, name: &str) -> Result<()> {
        self.stop_component(name)?;
        self.start_component(name)
    }

    /// Builds every tool that is not in the cache.
    pub fn build(&self) -> Result<()> {
        TOOLS.iter().try_for_each(|tool| {
            self.workshop(&AtomicBool::new(false))
                .provide(tool)
                .map(drop)
        })
    }

    /// The path of a built program such as `otelcol` or `promtool`, built if needed.
    pub fn tool(&self, program: &str) -> Result<PathBuf> {
        let known = || {
            TOOLS
                .iter()
                .flat_map(|tool| tool.programs().map(move |name| (tool, name)))
        };
        let Some((tool, _)) = known().find(|(_, name)| *name == program) else {
            let names: Vec<_> = known().map(|(_, name)| name).collect();
            return Err(Error::UnknownComponent {
                name: program.to_owned(),
                known: names.join(", "),
            });
        };
        Ok(self
            .workshop(&AtomicBool::new(false))
            .provide(tool)?
            .join(program))
    }

    fn workshop<'a>(&'a self, cancelled: &'a AtomicBool) -> Workshop<'a> {
        Workshop {
            root: &self.root,
            environment: &self.environment,
            report: &*self.report,
            cancelled,
        }
    }

    /// Says how it runs and why, or that the other way runs already.
    fn tell_choice(&self) -> Result<()> {
        let Some(choice) = &self.choice else {
            return Ok(());
        };
        if let Some(wanted) = choice.refused {
            return Err(Error::OtherRuntime {
                wanted,
                running: choice.runtime,
            });
        }
        self.report.event(&Event::Note(&choice.reason));
        Ok(())
    }

    /// Containers first, where there are any: the Collector is one of them.
    fn bring_up(&self, wanted: impl Iterator<Item = &'static Component>) -> Result<()> {
        let _exclusive = self.exclusive()?;
        line_endings::check(&self.root)?;
        let places = self.places()?;
        let (inside, outside): (Vec<_>, Vec<_>) =
            wanted.partition(|component| places.starts_inside(component));
        let mut state = self.state()?;
        let missing = self.missing_processes(&outside, &mut state)?;
        let was_idle = match &self.docker {
            Some(docker) => !self.bring_up_containers(docker, &inside)?,
            None => true,
        };
        if !missing.is_empty() {
            return self.bring_up_processes(&missing, &mut state);
        }
        if was_idle {
            self.report.event(&Event::Note("everything runs already"));
        }
        Ok(())
    }

    /// Those that can be started and have to be; their ports are free.
    fn missing_processes(
        &self,
        wanted: &[&'static Component],
        state: &mut State,
    ) -> Result<Vec<&'static Component>> {
        let mut missing = Vec::new();
        for &component in wanted {
            self.await_end(component, state)?;
            if state.alive(component.name).is_some() {
                continue;
            }
            match self.obstacle(component) {
                Some(remedy) => self.note_absence(component, remedy),
                None => missing.push(component),
            }
        }
        // Before minutes of building.
        for component in &missing {
            self.require_ports(component)?;
        }
        Ok(missing)
    }

    fn bring_up_processes(&self, missing: &[&'static Component], state: &mut State) -> Result<()> {
        self.prepare_files()?;
        let cancelled = AtomicBool::new(false);
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let (tools_sender, cancelled) = (sender.clone(), &cancelled);
            let programs: Vec<_> = missing.iter().map(|component| component.program).collect();
            scope.spawn(move || self.build_tools(&programs, &tools_sender, cancelled));
            let services: Vec<_> = missing
                .iter()
                .filter(|c| c.is_service())
                .map(|c| c.name)
                .collect();
            if !services.is_empty() {
                scope.spawn(move || {
                    sender
                        .send((Program::Service, self.build_services(&services, cancelled)))
                        .is_ok()
                });
            }
            let result = self.start_all(missing, state, &receiver);
            cancelled.store(true, Ordering::Relaxed);
            result
        })
    }

    fn start_all(
        &self,
        missing: &[&'static Component],
        state: &mut State,
        builds: &mpsc::Receiver<Built>,
    ) -> Result<()> {
        let mut directories = BTreeMap::new();
        let mut tasks: Vec<_> = missing
            .iter()
            .map(|&component| Task {
                component,
                stage: Stage::Waiting,
            })
            .collect();
        loop {
            for (program, directory) in builds.try_iter() {
                directories.insert(key(program), directory?);
            }
            let collector_is_awaited = tasks
                .iter()
                .any(|t| t.component.name == "otel-collector" && !matches!(t.stage, Stage::Ready));
            for task in &mut tasks {
                let component = task.component;
                match &task.stage {
                    Stage::Waiting if component.is_service() && collector_is_awaited => {}
                    Stage::Waiting => {
                        let program = match directories.get(key(component.program)) {
                            Some(directory) => Some(directory.join(program_name(component))),
                            None => self.installed(component),
                        };
                        if let Some(program) = program {
                            let process = self.start(component, program, state)?;
                            task.stage = Stage::Starting {
                                process,
                                since: Instant::now(),
                            };
                        }
                    }
                    Stage::Starting { process, since } => {
                        if self.is_ready(component, process, since.elapsed(), state)? {
                            let url = self.environment.expand(component.url)?;
                            let elapsed = since.elapsed();
                            self.report.event(&Event::Ready {
                                component: component.name,
                                elapsed,
                                url: &url,
                            });
                            task.stage = Stage::Ready;
                        }
                    }
                    Stage::Ready => {}
                }
            }
            if tasks.iter().all(|task| matches!(task.stage, Stage::Ready)) {
                return Ok(());
            }
            wait::pause();
        }
    }

    fn start(&self, component: &Component, program: PathBuf, state: &mut State) -> Result<Started> {
        // Once more: a build may have taken minutes.
        self.require_ports(component)?;
        let launch = self.launch(component, program)?;
        let process = launch.start()?;
        let record = Record {
            identity: process.identity.clone(),
            arguments: launch.arguments,
            log_offset: process.log_offset,
            is_stopping: false,
        };
        state.insert(component.name, record)?;
        self.report.event(&Event::Starting {
            component: component.name,
        });
        Ok(process)
    }

    fn is_ready(
        &self,
        component: &Component,
        process: &Started,
        after: Duration,
        state: &mut State,
    ) -> Result<bool> {
        let log = self.process_log(component.name);
        let tail = |lines| tail(&log, process.log_offset, lines);
        if let Some(status) = process.exit() {
            state.remove(component.name)?;
            let status = status.to_string();
            return Err(Error::Exited {
                component: component.name.to_owned(),
                status,
                tail: tail(15),
                log,
            });
        }
        state.recognise(component.name, process.current())?;
        match self.probe_of(component)?.ask() {
            Ok(()) => Ok(true),
            Err(_) if after < component.start_within => Ok(false),
            Err(state) => Err(Error::NotReady {
                component: component.name.to_owned(),
                after,
                state,
                tail: tail(15),
                log,
            }),
        }
    }

    /// Ends what is left of an earlier start: a component whose launcher was interrupted while it stopped, or the
    /// children of one that died. Their ports are free then.
    fn await_end(&self, component: &Component, state: &mut State) -> Result<()> {
        let Some(record) = state.last(component.name).cloned() else {
            return Ok(());
        };
        if record.identity.is_alive() && !record.is_stopping {
            return Ok(());
        }
        if record.identity.stop(component.stop_within) == Stopped::Never {
            return Err(Error::DoesNotEnd {
                component: component.name.to_owned(),
                pid: record.identity.pid,
            });
        }
        state.remove(component.name)
    }

    fn require_ports(&self, component: &Component) -> Result<()> {
        self.require_free(component, &self.ports_of(component)?)
    }

    pub(crate) fn require_free(&self, component: &Component, ports: &[Port]) -> Result<()> {
        let taken = || ports.iter().find(|port| !ports::is_free(port.number));
        // Of a process that was killed, the kernel may still be closing the sockets.
        wait::until(CLOSING, || taken().is_none());
        match taken() {
            Some(port) => Err(Error::PortTaken {
                component: component.name.to_owned(),
                port: port.number,
                holder: port_holder(port.number),
                variable: port.variable.clone(),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn note_absence(&self, component: &Component, remedy: &str) {
        let name = component.name;
        let instead = match self.traces() {
            TraceStore::Archive(dir) if name == "tempo" => {
                format!("the Collector keeps the traces in {}", dir.display())
            }
            _ => "links open the backends' own answers".to_owned(),
        };
        self.report.event(&Event::Note(&format!(
            "{name}: not on this machine, {instead}; to have it, {remedy}"
        )));
    }

    fn build_tools(&self, wanted: &[Program], done: &mpsc::Sender<Built>, cancelled: &AtomicBool) {
        for tool in TOOLS
            .iter()
            .filter(|tool| wanted.contains(&Program::Tool(tool.name)))
        {
            let built = self.workshop(cancelled).provide(tool);
            let failed = built.is_err();
            // Nobody listens any more after a failure elsewhere.
            if done.send((Program::Tool(tool.name), built)).is_err() || failed {
                return;
            }
        }
    }

    fn build_services(&self, names: &[&str], cancelled: &AtomicBool) -> Result<PathBuf> {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.root)
            .args(["build", "--locked", "--bins"]);
        for name in names {
            command.args(["--package", name]);
        }
        let profile = match self.profile {
            Profile::Dev => "debug",
            Profile::Release => {
                command.arg("--release");
                "release"
            }
        };
        let log = self.process_log("cargo-build").with_extension("txt");
        Job {
            work: Work::Build,
            what: "services",
            command,
            log,
        }
        .run(&*self.report, cancelled)?;
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        Ok(target.join(profile))
    }
}

/// Programs that come from one build have one key.
fn key(program: Program) -> &'static str {
    match program {
        Program::Tool(name) => name,
        Program::Installed { binary, .. } | Program::Home { binary, .. } => binary,
        Program::Service => "services",
    }
}

fn program_name(component: &Component) -> &'static str {
    match component.program {
        Program::Tool(name) => name,
        _ => component.name,
    }
}
