//! Starting: builds run at the same time, and each component starts as soon as its program is there.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::build::{Programs, TOOLS};
use crate::error::{Error, Result, failed};
use crate::instance::Instance;
use crate::launch::difference;
use crate::ports;
use crate::process::{Started, Stopped, tail};
use crate::state::{Record, State};
use crate::topology::{Component, Program};
use crate::wait;

/// How long the kernel may take to close the sockets of a process that was killed.
const CLOSING: Duration = Duration::from_secs(2);
/// How many of its last lines an error shows.
const LINES: usize = 15;

/// A component that is being started.
struct Task<'c> {
    component: &'c Component,
    stage: Stage,
}

enum Stage {
    /// For its program. An earlier process of it may run.
    Waiting,
    Starting {
        process: Started,
        since: Instant,
    },
    Ready,
}

impl Instance {
    /// The Collector and its backends, ready on return. What runs is left alone, unless its program, arguments,
    /// variables or configuration files are others now.
    pub fn up(&self) -> Result<()> {
        self.announce()?;
        self.start_all(self.topology.stack().collect())
    }

    /// `up` and the shop's services, which are built each time. They start when the Collector is ready, also while
    /// backends are still being built: the Collector keeps what these cannot take yet.
    pub fn run(&self) -> Result<()> {
        self.announce()?;
        self.start_all(self.topology.components.iter().collect())
    }

    /// One component, built if needed, ready on return; as in `run`, left alone if it runs as it would be started.
    pub fn start_component(&self, name: &str) -> Result<()> {
        let component = self.topology.component(name)?;
        match self.lack(component) {
            Some(reason) => Err(failed!("{name} cannot be started here: {reason}")),
            None if self.is_replaced(component, &self.state()?) => Err(failed!(
                "the Collector was started without {name}: `just up` starts both"
            )),
            None => self.start_all(vec![component]),
        }
    }

    /// Stop and start.
    pub fn restart(&self, name: &str) -> Result<()> {
        self.stop_component(name)?;
        self.start_component(name)
    }

    fn start_all(&self, wanted: Vec<&Component>) -> Result<()> {
        let _exclusive = self.exclusive()?;
        self.require_choice()?;
        self.require_plain_paths()?;
        let mut state = self.state()?;
        let (missing, wanted): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .partition(|component| self.lack(component).is_some());
        for component in missing {
            self.note_missing(component, &self.lack(component).unwrap_or_default());
            // One that an earlier start had, and this one is to leave out.
            self.stop_processes(&[component], &mut state)?;
        }
        let is_inside = |component: &&Component| self.is_inside(component);
        let (inside, outside): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_inside);
        self.prepare_files()?;
        let tasks = self.tasks(&outside, &mut state)?;
        state.docker |= !inside.is_empty();
        self.remember(&mut state)?;
        if !inside.is_empty() {
            self.start_containers(&inside)?;
        }
        let has_started = self.start_processes(tasks, &mut state)?;
        if !has_started && inside.is_empty() {
            self.report.note("everything is running");
        }
        Ok(())
    }

    /// Removes what is left of earlier processes, and checks the ports before minutes of building.
    fn tasks<'c>(&self, wanted: &[&'c Component], state: &mut State) -> Result<Vec<Task<'c>>> {
        let mut tasks = Vec::new();
        for &component in wanted {
            let name = &component.name;
            if state.alive(name).is_none() {
                // Children of a process that died: they may hold its ports.
                if let Some(record) = state.last(name) {
                    if record.identity.stop(component.stop_within) == Stopped::Never {
                        return Err(does_not_end(name, record.identity.pid));
                    }
                    state.remove(&[name])?;
                }
                if !self.is_replaced(component, state) {
                    self.require_ports(component)?;
                }
                if let Some(program) = self.program(component) {
                    self.check_version(component, &program);
                }
            }
            tasks.push(Task {
                component,
                stage: Stage::Waiting,
            });
        }
        Ok(tasks)
    }

    /// Whether a running Collector was started without this component, and so listens on its port.
    fn is_replaced(&self, component: &Component, state: &State) -> bool {
        let mut others = self
            .topology
            .components
            .iter()
            .filter(|other| !other.overlays.is_empty());
        others.any(|other| {
            let record = state.alive(&other.name);
            record.is_some_and(|record| record.without.contains(&component.name))
        })
    }

    /// Whether anything was started.
    fn start_processes(&self, tasks: Vec<Task<'_>>, state: &mut State) -> Result<bool> {
        let cancelled = &AtomicBool::new(false);
        let is_wanted = |name: &str| {
            let mut programs = tasks.iter().map(|task| &task.component.program);
            programs.any(|program| matches!(program, Program::Build { build } if build == name))
        };
        let tools: Vec<_> = TOOLS.iter().filter(|tool| is_wanted(tool.name)).collect();
        let has_services = tasks.iter().any(|task| task.component.is_service());
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let services = sender.clone();
            scope.spawn(move || {
                for tool in tools {
                    let built = self.provide(tool, cancelled);
                    let is_failed = built.is_err();
                    // No one receives any more after a failure elsewhere.
                    if sender
                        .send(built.map(|dir| tool.programs_in(&dir)))
                        .is_err()
                        || is_failed
                    {
                        return;
                    }
                }
            });
            if has_services {
                scope.spawn(move || services.send(self.build_services(cancelled)).is_ok());
            }
            let result = self.follow(tasks, state, &receiver);
            cancelled.store(true, Ordering::Relaxed);
            result
        })
    }

    fn follow(
        &self,
        mut tasks: Vec<Task<'_>>,
        state: &mut State,
        builds: &mpsc::Receiver<Result<Programs>>,
    ) -> Result<bool> {
        let mut built = Programs::new();
        let mut has_started = false;
        loop {
            for programs in builds.try_iter() {
                built.extend(programs?);
            }
            let due = self.due(&mut tasks, &built, state)?;
            let outdated: Vec<_> = due.iter().map(|(task, _)| task.component).collect();
            // In the order of every stop, before the first of them is started again.
            for step in self.topology.stop_steps() {
                let in_step = step
                    .into_iter()
                    .filter(|component| outdated.contains(component));
                self.stop_processes(&in_step.collect::<Vec<_>>(), state)?;
            }
            for (task, program) in due {
                has_started = true;
                task.stage = Stage::Starting {
                    process: self.start(task.component, program, state)?,
                    since: Instant::now(),
                };
            }
            for task in &mut tasks {
                let component = task.component;
                if let Stage::Starting { process, since } = &task.stage
                    && self.is_ready(component, process, since.elapsed(), state)?
                {
                    let url = self.environment.expand(&component.url)?;
                    self.report.ready(&component.name, since.elapsed(), &url);
                    task.stage = Stage::Ready;
                }
            }
            if tasks.iter().all(|task| matches!(task.stage, Stage::Ready)) {
                return Ok(has_started);
            }
            wait::pause();
        }
    }

    /// Those that can be started now, with their programs. One that runs as it would be started is ready.
    fn due<'t, 'c>(
        &self,
        tasks: &'t mut [Task<'c>],
        built: &Programs,
        state: &State,
    ) -> Result<Vec<(&'t mut Task<'c>, PathBuf)>> {
        let is_pending = |task: &Task<'_>| !matches!(task.stage, Stage::Ready);
        let mut pending = tasks.iter().filter(|task| is_pending(task));
        let awaits_collector = pending.any(|task| task.component.name == "otel-collector");
        let mut due = Vec::new();
        for task in tasks.iter_mut() {
            let component = task.component;
            let is_held =
                component.is_service() && awaits_collector || self.is_replaced(component, state);
            if is_held || !matches!(task.stage, Stage::Waiting) {
                continue;
            }
            let program = match &component.program {
                Program::Build { build } => built.get(build).cloned(),
                Program::Service => built.get(&component.name).cloned(),
                Program::Path { .. } | Program::Home { .. } => self.program(component),
            };
            let Some(program) = program else { continue };
            if let Some(record) = state.alive(&component.name) {
                let (_, hashes) = self.launch(component, program.clone())?;
                let Some(difference) = difference(&record.hashes, &hashes) else {
                    task.stage = Stage::Ready;
                    continue;
                };
                self.report
                    .note(&format!("restarting {}, {difference}", component.name));
            }
            due.push((task, program));
        }
        Ok(due)
    }

    fn start(&self, component: &Component, program: PathBuf, state: &mut State) -> Result<Started> {
        let name = &component.name;
        self.require_ports(component)?;
        let (launch, hashes) = self.launch(component, program)?;
        self.report.line(&format!("starting {name}"));
        let started = launch.start()?;
        let record = Record {
            identity: started.identity.clone(),
            hashes,
            without: self
                .with_overlays(component)
                .overlays
                .into_iter()
                .map(|overlay| overlay.without)
                .collect(),
            log_offset: started.log_offset,
        };
        match state.insert(name, record) {
            Ok(()) => Ok(started),
            Err(error) => {
                // No later command would find it.
                started.identity.kill();
                Err(error)
            }
        }
    }

    fn is_ready(
        &self,
        component: &Component,
        process: &Started,
        after: Duration,
        state: &mut State,
    ) -> Result<bool> {
        let name = &component.name;
        let log = self.component_log(name);
        let output = || {
            let lines = tail(&log, process.log_offset, LINES);
            format!("its output is in {}\n{lines}", log.display())
        };
        if let Some(status) = process.exit() {
            state.remove(&[name])?;
            return Err(failed!(
                "{name} ended right after its start ({status}); {}",
                output()
            ));
        }
        state.recognise(name, process.current())?;
        match self.probe_of(component)?.ask() {
            Ok(()) => Ok(true),
            Err(_) if after < component.start_within => Ok(false),
            Err(seen) => {
                let seconds = after.as_secs();
                Err(failed!(
                    "{name} is not ready after {seconds} s: {seen}; {}",
                    output()
                ))
            }
        }
    }

    fn require_ports(&self, component: &Component) -> Result<()> {
        for variable in self.with_overlays(component).ports {
            let port = self.environment.port(&variable)?;
            if !wait::until(CLOSING, || ports::is_free(port)) {
                return Err(Error::PortTaken {
                    component: component.name.clone(),
                    port,
                    holder: ports::holder(port),
                    variable,
                });
            }
        }
        Ok(())
    }
}

pub(crate) fn does_not_end(component: &str, pid: i32) -> Error {
    failed!("{component} (pid {pid}) does not end, not even when killed")
}
