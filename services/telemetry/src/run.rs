//! The life of a service.

use std::any::Any;
use std::future::Future;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::Duration;

use slog::{Logger, error, info, o, warn};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Environment, Reader, Refused, TelemetryConfig};
use crate::{Service, ServiceContext, Telemetry, signals};
use contract::events;

/// The exit code of a refused configuration: `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;
/// How long tasks that were given up may take to be dropped, so that their spans end before the flush.
const DROPPED_WITHIN: Duration = Duration::from_secs(1);
/// How long the process waits for whoever reads its stderr, or does not.
const TOLD_WITHIN: Duration = Duration::from_millis(200);

/// Runs a service from its configuration to its exit code. `main` returns what this returns.
///
/// 1. `configure` reads the service's own variables, after those that all services share. If any was refused, all are printed.
/// 2. Telemetry is started and made global.
/// 3. `serve` runs on a multi-thread runtime until it returns, or SIGTERM or SIGINT cancels
///    [`ServiceContext::stopping`]; then it has `SHOP_DRAIN_TIMEOUT` to return.
/// 4. Telemetry is flushed within `SHOP_FLUSH_TIMEOUT`; then the failure, if there was one, and what was lost are printed.
///
/// | exit code | |
/// |---|---|
/// | 0 | `serve` returned `Ok` |
/// | 1 | telemetry or `serve` failed, `serve` panicked or did not return in time, or a second signal came |
/// | 64 | the configuration was refused |
///
/// A second signal ends the process at once, unflushed. SIGHUP opens the log file again. A panic, on whichever thread, is a
/// `telemetry.diagnostic` in the log file and on the console. Nothing here waits long for a stderr that nobody reads.
pub fn run<C, F, Fut>(
    service: Service,
    configure: impl FnOnce(&mut Reader<'_>) -> C,
    serve: F,
) -> ExitCode
where
    F: FnOnce(C, ServiceContext) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let environment = Environment::of_process();
    let (telemetry_config, config) = match read(&environment, service, configure) {
        Ok(read) => read,
        Err(refused) => {
            complain(service, &[format!("refused its configuration\n{refused}")]);
            return ExitCode::from(USAGE);
        }
    };
    let telemetry = match Telemetry::start(&telemetry_config) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            let error = anyhow::Error::new(error);
            complain(service, &[format!("could not start telemetry: {error:#}")]);
            return ExitCode::FAILURE;
        }
    };
    // Instead of std's, which writes to stderr under its lock: the thread that panics would wait for a reader.
    let local = telemetry.local().clone();
    std::panic::set_hook(Box::new(move |panic| tell_panic(&local, panic)));
    for warning in config::warnings(&environment) {
        warn!(telemetry.local(), "{}", warning; "event.name" => events::TELEMETRY_DIAGNOSTIC);
    }

    let drained = live(
        service,
        &telemetry,
        telemetry_config.drain_timeout,
        |context| serve(config, context),
    );
    let stopped = telemetry
        .log()
        .new(o!("event.name" => events::SERVICE_STOPPED));
    let mut complaints = Vec::new();
    let code = match drained {
        Ok(()) => {
            info!(stopped, "Service stopped");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            error!(stopped, "Service failed"; "exception.message" => format!("{failure:#}"));
            complaints.push(format!("failed: {failure:#}"));
            ExitCode::FAILURE
        }
    };
    drop(stopped);
    let report = telemetry.shutdown(telemetry_config.flush_timeout);
    if !report.is_clean() {
        complaints.push(format!("did not deliver all of its telemetry: {report}"));
    }
    complain(service, &complaints);
    code
}

fn read<C>(
    environment: &Environment,
    service: Service,
    configure: impl FnOnce(&mut Reader<'_>) -> C,
) -> Result<(TelemetryConfig, C), Refused> {
    let lookup = |name: &str| environment.get(name);
    let mut reader = Reader::new(&lookup);
    let telemetry = TelemetryConfig::read(&mut reader, service);
    let config = configure(&mut reader);
    reader.refuse_unknown(environment);
    reader.finish()?;
    Ok((telemetry, config))
}

/// Serves until the end, whichever it is.
fn live<Fut>(
    service: Service,
    telemetry: &Telemetry,
    drain_timeout: Duration,
    serve: impl FnOnce(ServiceContext) -> Fut,
) -> anyhow::Result<()>
where
    Fut: Future<Output = anyhow::Result<()>>,
{
    let log = telemetry.log();
    let stopping = CancellationToken::new();
    signals::listen(stop(log.clone(), stopping.clone()), telemetry.reopen())?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    info!(log, "Service started";
        "event.name" => events::SERVICE_STARTED, "service.version" => service.version);

    let context = ServiceContext {
        log: log.clone(),
        stopping: stopping.clone(),
    };
    let drained = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut serving = pin!(serve(context));
            tokio::select! {
                result = &mut serving => return result,
                () = stopping.cancelled() => {}
            }
            let overdue = || anyhow::anyhow!("requests were still running after {drain_timeout:?}");
            tokio::time::timeout(drain_timeout, serving)
                .await
                .unwrap_or_else(|_| Err(overdue()))
        })
    }));
    runtime.shutdown_timeout(DROPPED_WITHIN);
    drained.unwrap_or_else(|panic| Err(anyhow::anyhow!("panicked: {}", message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not with a text")
}

/// Not over OTLP: the panic may be telemetry's own, with its locks held.
fn tell_panic(local: &Logger, panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    error!(local, "A thread panicked"; "event.name" => events::TELEMETRY_DIAGNOSTIC,
        "exception.type" => "panic", "exception.message" => panic.payload_as_str(),
        "thread.name" => std::thread::current().name(), "exception.stacktrace" => place);
}

/// Says that the service ends before it makes it end: `serve` may return at once.
fn stop(log: Logger, stopping: CancellationToken) -> impl FnOnce() + Send + 'static {
    move || {
        info!(log, "Service stopping"; "event.name" => events::SERVICE_STOPPING);
        stopping.cancel();
    }
}

/// Tells whoever started the process, also when there is no log yet, or nobody reads it.
///
/// On a thread of its own: stderr may be a full pipe, or its lock held by one who waits for that pipe.
fn complain(service: Service, complaints: &[String]) {
    if complaints.is_empty() {
        return;
    }
    let line = |what: &String| format!("{}: {what}\n", service.name);
    let text: String = complaints.iter().map(line).collect();
    let (told, telling) = channel();
    let thread = std::thread::Builder::new().name("complaint".to_owned());
    // Without a thread the sender is gone, and there is nothing to wait for.
    drop(thread.spawn(move || {
        // Neither a closed stderr nor one who has stopped waiting can be told.
        io::stderr().write_all(text.as_bytes()).ok();
        told.send(()).ok();
    }));
    telling.recv_timeout(TOLD_WITHIN).ok();
}
