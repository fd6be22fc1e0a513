//! Starting: builds run beside each other, and each component starts as soon as its program is there.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cargo::Programs;
use crate::component::{COMPONENTS, Component, Program, component};
use crate::docker::port_holder;
use crate::error::{Error, Result};
use crate::instance::{Instance, Profile};
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
    /// For its program. It may run already, from an earlier one.
    Waiting,
    Starting {
        process: Started,
        since: Instant,
    },
    Ready,
}

impl Instance {
    /// The Collector and its backends, ready on return. What runs already is left alone, unless it would be started
    /// otherwise now: another program, command line, variable that it reads, or configuration file.
    pub fn up(&self) -> Result<()> {
        self.tell_choice()?;
        self.bring_up(
            COMPONENTS
                .iter()
                .filter(|component| !component.is_service()),
        )
    }

    /// `up` and the four services, which are built each time. They start when the Collector is ready, also while
    /// backends are still being built: the Collector keeps what these cannot take yet.
    pub fn run(&self) -> Result<()> {
        self.tell_choice()?;
        self.places()?.require_one_kind_of_services()?;
        self.bring_up(COMPONENTS.iter())
    }

    /// One component, built if needed, ready on return; as in `run`, left alone if it runs as it would be started.
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

    /// The native programs that are not built yet: building them all takes many minutes.
    pub fn missing_tools(&self) -> Result<Vec<&'static str>> {
        let cancelled = AtomicBool::new(false);
        let mut missing = Vec::new();
        for tool in TOOLS {
            if !self.workshop(&cancelled).place(tool)?.is_dir() {
                missing.push(tool.name);
            }
        }
        Ok(missing)
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
        let state = self.state()?;
        let of_another_shell = state
            .variables()
            .iter()
            .filter(|(name, _)| self.shared.contains(*name))
            .filter(|(name, _)| !self.set_by_shell.contains_key(*name))
            .map(|(name, value)| format!("{name}={value}"));
        let kept: Vec<_> = of_another_shell.collect();
        if !kept.is_empty() {
            let note = format!("as it was started, until `just down`: {}", kept.join(", "));
            self.report.event(&Event::Note(&note));
        }
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
        let tasks = self.tasks(&outside, &mut state)?;
        let mut has_started = match &self.docker {
            Some(docker) => self.bring_up_containers(docker, &inside, &mut state)?,
            None => false,
        };
        if !tasks.is_empty() {
            has_started |= self.bring_up_processes(tasks, &mut state)?;
        }
        if !has_started {
            self.report.event(&Event::Note("everything runs already"));
        }
        Ok(())
    }

    /// Those to look after: what has to be started, and what runs otherwise than it would be started now. Whether a
    /// service does is known when it is built.
    fn tasks(&self, wanted: &[&'static Component], state: &mut State) -> Result<Vec<Task>> {
        let mut tasks = Vec::new();
        for &component in wanted {
            self.await_end(component, state)?;
            if let Some(record) = state.alive(component.name) {
                let is_outdated = || match self.expected_program(component)? {
                    Some(program) => Ok(self.outdated(component, record, &program)?.is_some()),
                    None => Ok(false),
                };
                if !component.is_service() && !is_outdated()? {
                    continue;
                }
            } else if let Some(remedy) = self.obstacle(component) {
                self.note_absence(component, remedy);
                continue;
            }
            tasks.push(Task {
                component,
                stage: Stage::Waiting,
            });
        }
        // Before minutes of building.
        for task in &tasks {
            if state.alive(task.component.name).is_none() {
                self.require_ports(task.component)?;
            }
        }
        Ok(tasks)
    }

    /// Of what cargo does not build: the file that would be started, there or not.
    fn expected_program(&self, component: &Component) -> Result<Option<PathBuf>> {
        let Program::Tool(name) = component.program else {
            return Ok(self.installed(component));
        };
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
            return Ok(None);
        };
        let place = self.workshop(&AtomicBool::new(false)).place(tool)?;
        Ok(Some(place.join(name)))
    }

    /// Whether anything had to be started.
    fn bring_up_processes(&self, tasks: Vec<Task>, state: &mut State) -> Result<bool> {
        self.prepare_files()?;
        let cancelled = AtomicBool::new(false);
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let (tools_sender, cancelled) = (sender.clone(), &cancelled);
            let programs: Vec<_> = tasks.iter().map(|task| task.component.program).collect();
            let has_services = programs.contains(&Program::Service);
            scope.spawn(move || self.build_tools(&programs, &tools_sender, cancelled));
            if has_services {
                scope.spawn(move || sender.send(self.build_services(cancelled)).is_ok());
            }
            let result = self.start_all(tasks, state, &receiver);
            cancelled.store(true, Ordering::Relaxed);
            result
        })
    }

    fn start_all(
        &self,
        mut tasks: Vec<Task>,
        state: &mut State,
        builds: &mpsc::Receiver<Result<Programs>>,
    ) -> Result<bool> {
        let mut built = Programs::new();
        let mut has_started = false;
        loop {
            for programs in builds.try_iter() {
                built.extend(programs?);
            }
            let mut due = self.due(&mut tasks, &built);
            self.end_outdated(&mut due, state)?;
            for (task, program) in due {
                if matches!(task.stage, Stage::Waiting) {
                    has_started = true;
                    task.stage = Stage::Starting {
                        process: self.start(task.component, program, state)?,
                        since: Instant::now(),
                    };
                }
            }
            for task in &mut tasks {
                let component = task.component;
                if let Stage::Starting { process, since } = &task.stage
                    && self.is_ready(component, process, since.elapsed(), state)?
                {
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
            if tasks.iter().all(|task| matches!(task.stage, Stage::Ready)) {
                return Ok(has_started);
            }
            wait::pause();
        }
    }

    /// Those whose program is there, with it. Services come after the Collector.
    fn due<'t>(&self, tasks: &'t mut [Task], built: &Programs) -> Vec<(&'t mut Task, PathBuf)> {
        let collector_is_awaited = tasks
            .iter()
            .any(|t| t.component.name == "otel-collector" && !matches!(t.stage, Stage::Ready));
        let waiting = tasks.iter_mut().filter(|task| {
            let is_held = task.component.is_service() && collector_is_awaited;
            matches!(task.stage, Stage::Waiting) && !is_held
        });
        waiting
            .filter_map(|task| {
                let program = match task.component.program {
                    Program::Tool(name) => built.get(name).cloned(),
                    Program::Service => built.get(task.component.name).cloned(),
                    Program::Installed { .. } | Program::Home { .. } => {
                        self.installed(task.component)
                    }
                };
                Some((task, program?))
            })
            .collect()
    }

    /// Ends what runs otherwise than it would be started now, and says why. The rest of what runs is ready.
    fn end_outdated(&self, due: &mut [(&mut Task, PathBuf)], state: &mut State) -> Result<()> {
        let mut names = Vec::new();
        for (task, program) in due {
            let component = task.component;
            let Some(record) = state.alive(component.name) else {
                continue;
            };
            match self.outdated(component, record, program)? {
                Some(reason) => {
                    let note = format!("restarting {}: {reason}", component.name);
                    self.report.event(&Event::Note(&note));
                    names.push(component.name);
                }
                None => task.stage = Stage::Ready,
            }
        }
        self.stop_in_order(&names, state)
    }

    fn start(&self, component: &Component, program: PathBuf, state: &mut State) -> Result<Started> {
        // Once more: a build may have taken minutes.
        self.require_ports(component)?;
        let launch = self.launch(component, program)?;
        let setup = self.setup_of(component, &launch)?;
        let process = launch.start()?;
        self.keep_variables(Some(component), state)?;
        let record = Record {
            identity: process.identity.clone(),
            program: launch.program,
            arguments: launch.arguments,
            setup,
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
            state.remove(&[component.name])?;
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
        state.remove(&[component.name])
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

    /// What another shell needs to know of this one's variables as long as what was started with them runs.
    pub(crate) fn keep_variables(
        &self,
        started: Option<&Component>,
        state: &mut State,
    ) -> Result<()> {
        let found = started.and_then(|component| match component.program {
            Program::Installed { variable, .. } => {
                Some((variable, self.installed(component)?.into_os_string()))
            }
            Program::Home { variable, .. } => {
                Some((variable, self.environment.get(variable)?.into()))
            }
            Program::Tool(_) | Program::Service => None,
        });
        let found = found.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
        let set = self.set_by_shell.iter();
        let set = set.map(|(name, value)| (name.as_str(), value.as_deref()));
        state.keep(
            set.chain(
                found
                    .iter()
                    .map(|(name, value)| (*name, Some(value.as_str()))),
            ),
        )
    }

    fn build_tools(
        &self,
        wanted: &[Program],
        done: &mpsc::Sender<Result<Programs>>,
        cancelled: &AtomicBool,
    ) {
        for tool in TOOLS
            .iter()
            .filter(|tool| wanted.contains(&Program::Tool(tool.name)))
        {
            let built = self.workshop(cancelled).provide(tool);
            let failed = built.is_err();
            let programs = built.map(|place| {
                let names = tool.programs();
                names
                    .map(|name| (name.to_owned(), place.join(name)))
                    .collect()
            });
            // Nobody listens any more after a failure elsewhere.
            if done.send(programs).is_err() || failed {
                return;
            }
        }
    }

    /// All of them, whichever is wanted: the next one is then there.
    fn build_services(&self, cancelled: &AtomicBool) -> Result<Programs> {
        let services = COMPONENTS.iter().filter(|component| component.is_service());
        let names: Vec<_> = services.map(|component| component.name).collect();
        let alter = |command: &mut Command| {
            if self.profile == Profile::Release {
                command.arg("--release");
            }
        };
        self.build_programs("services", &names, alter, cancelled)
    }
}
