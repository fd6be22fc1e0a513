//! What the process takes from the machine: `process.*` by the semantic conventions, read from `/proc` at each collection.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use procfs::process::{Process, Stat};
use procfs::{Current, ProcResult, Uptime};

use contract::metrics;

/// Registers the metrics of this process with `meter`.
///
/// | metric | attributes |
/// |---|---|
/// | `process.cpu.time` | `cpu.mode`: `user`, `system` |
/// | `process.memory.usage` | |
/// | `process.unix.file_descriptor.count` | |
/// | `process.thread.count` | |
/// | `process.uptime` | |
///
/// A value that cannot be read is left out of its collection. Nothing panics: a panic in a callback would end the SDK's
/// metrics thread for good.
///
/// # Errors
/// Where there is no `/proc`.
pub fn register(meter: &Meter) -> ProcResult<()> {
    // One open directory for the life of the process, instead of one per collection.
    let process = Arc::new(Process::myself()?);
    cpu_time(meter, Arc::clone(&process));
    memory(meter, Arc::clone(&process));
    file_descriptors(meter, Arc::clone(&process));
    threads(meter, Arc::clone(&process));
    uptime(meter, process);
    Ok(())
}

fn cpu_time(meter: &Meter, process: Arc<Process>) {
    let user = [KeyValue::new("cpu.mode", "user")];
    let system = [KeyValue::new("cpu.mode", "system")];
    meter
        .f64_observable_counter(metrics::PROCESS_CPU_TIME)
        .with_description("Processor time of the process.")
        .with_unit("s")
        .with_callback(move |observer| {
            if let Ok(stat) = process.stat() {
                observer.observe(seconds(stat.utime), &user);
                observer.observe(seconds(stat.stime), &system);
            }
        })
        .build();
}

fn memory(meter: &Meter, process: Arc<Process>) {
    meter
        .i64_observable_up_down_counter(metrics::PROCESS_MEMORY_USAGE)
        .with_description("Resident memory of the process.")
        .with_unit("By")
        .with_callback(move |observer| {
            let bytes = |stat: Stat| stat.rss.saturating_mul(procfs::page_size());
            if let Some(bytes) = process.stat().ok().map(bytes) {
                observer.observe(count(bytes), &[]);
            }
        })
        .build();
}

fn file_descriptors(meter: &Meter, process: Arc<Process>) {
    meter
        .i64_observable_up_down_counter(metrics::PROCESS_UNIX_FILE_DESCRIPTOR_COUNT)
        .with_description("Open file descriptors of the process.")
        .with_unit("{file_descriptor}")
        .with_callback(move |observer| {
            if let Ok(open) = process.fd_count() {
                observer.observe(count(open), &[]);
            }
        })
        .build();
}

fn threads(meter: &Meter, process: Arc<Process>) {
    meter
        .i64_observable_up_down_counter(metrics::PROCESS_THREAD_COUNT)
        .with_description("Threads of the process.")
        .with_unit("{thread}")
        .with_callback(move |observer| {
            if let Ok(stat) = process.stat() {
                observer.observe(stat.num_threads, &[]);
            }
        })
        .build();
}

fn uptime(meter: &Meter, process: Arc<Process>) {
    meter
        .f64_observable_gauge(metrics::PROCESS_UPTIME)
        .with_description("Time since the process began.")
        .with_unit("s")
        .with_callback(move |observer| {
            if let (Ok(machine), Ok(stat)) = (Uptime::current(), process.stat()) {
                // Never below zero: the two are read one after the other, in steps of 10 ms.
                let age = (machine.uptime - seconds(stat.starttime)).max(0.0);
                observer.observe(age, &[]);
            }
        })
        .build();
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

fn count(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
