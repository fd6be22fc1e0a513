//! The command line.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;

use crate::client::Client;
use crate::drive::drive;
use crate::gateway;
use crate::mix::{Mix, Route};
use crate::plan::{Amount, Plan};
use crate::prelude;
use crate::progress::Console;
use crate::report::{Origin, Report};

/// Open-loop load for the shop.
///
/// Requests start when they are due, whether or not earlier ones were answered, and each latency counts from that moment. Ctrl-C
/// ends a run early, with a report of what was done. The exit code is 1 if a request failed in transport, if too many answers were
/// unexpected or too many arrivals shed, or if `--orders` did not place them all.
///
/// No run sends more than 100,000 requests or takes longer than 10 minutes.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
pub struct Cli {
    /// Where the gateway is; otherwise loopback with GATEWAY_PORT of the environment, else of `.env`, else 8080.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Allow a gateway on another machine. Only for one that is yours.
    #[arg(long)]
    allow_remote: bool,
    /// Arrivals per second, at most 20,000.
    #[arg(long, value_name = "PER-SECOND", default_value_t = 20.0)]
    rate: f64,
    /// How long requests arrive, after the warm-up.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s", conflicts_with = "orders")]
    duration: Duration,
    /// How long requests arrive before any of them is in a figure.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s", conflicts_with = "orders")]
    warm_up: Duration,
    /// Place exactly so many orders at the rate, and nothing else: no warm-up, and another arrival for each that was shed.
    #[arg(long, value_name = "N", conflicts_with_all = ["mix", "hostile"])]
    orders: Option<u64>,
    /// What is asked for, by weight. Routes: orders, catalogue, product, unknown-product, order (one of this run), hostile.
    #[arg(long, value_name = "ROUTE=WEIGHT,..", default_value_t = Mix::default())]
    mix: Mix,
    /// Add requests that nobody should make: random paths, long ids, odd characters, unknown methods, broken bodies and headers.
    #[arg(long)]
    hostile: bool,
    /// Shed arrivals that find so many requests unanswered, at most 1,000. The gateway itself refuses beyond 512.
    #[arg(long, value_name = "N", default_value_t = 256)]
    in_flight: usize,
    /// How long to wait for an answer, at most 1m. The gateway gives up after 20s.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "25s")]
    timeout: Duration,
    /// The same seed asks for the same in the same order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many of all answers may be unexpected: 5xx, or a status the route does not have when all is well. As many of all arrivals
    /// may be shed.
    #[arg(long, value_name = "RATIO", default_value_t = 0.01)]
    max_error_ratio: f64,
    /// Write the report as JSON too; `-` is stdout, and the text then goes to stderr.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Cli {
    fn plan(&self) -> Plan {
        let (amount, warm_up, mix) = match self.orders {
            Some(orders) => (
                Amount::Sent(orders),
                Duration::ZERO,
                Mix::only(Route::Orders),
            ),
            None if self.hostile => {
                let mix = self.mix.clone().with_hostile();
                (Amount::For(self.duration), self.warm_up, mix)
            }
            None => (Amount::For(self.duration), self.warm_up, self.mix.clone()),
        };
        Plan {
            rate: self.rate,
            warm_up,
            amount,
            mix,
            in_flight: self.in_flight,
            timeout: self.timeout,
            seed: self.seed,
        }
    }
}

/// Parses the process's arguments and does what they say.
pub fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let plan = cli.plan();
    plan.check()?;
    let here = std::env::current_dir().context("cannot find the current directory")?;
    let variable = |name: &str| std::env::var(name).ok();
    let gateway = gateway::find(cli.gateway.as_deref(), variable, &here)?;
    gateway::permit(&gateway, cli.allow_remote)?;
    // Before the run: a file that cannot be written should not cost one.
    let json = cli.json.as_deref().map(create).transpose()?;
    let origin = Origin::here(std::env::args());
    // One thread: the generator should leave the machine to the shop, and one is enough for its highest rate here.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::new(plan.timeout);
    let run = runtime.block_on(async {
        let shapes = prelude::prepare(&client, &gateway, &plan).await?;
        let mut console = Console::new(&plan);
        let run = drive(
            &plan,
            &client,
            shapes,
            Instant::now(),
            &mut console,
            interrupted(),
        )
        .await;
        console.finish();
        run
    })?;
    let report = Report::new(origin, &plan, &gateway, &run, cli.max_error_ratio);
    show(&report, json)?;
    Ok(match report.verdict.is_ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Never, if Ctrl-C cannot be caught: then it ends the process, as it does without this.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// `None` is stdout.
fn create(path: &Path) -> anyhow::Result<Option<File>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(file))
}

fn show(report: &Report, json: Option<Option<File>>) -> anyhow::Result<()> {
    let mut document = serde_json::to_string_pretty(report)?;
    document.push('\n');
    match json {
        Some(None) => {
            write!(anstream::stderr(), "{report}")?;
            anstream::stdout().write_all(document.as_bytes())?;
        }
        Some(Some(mut file)) => {
            write!(anstream::stdout(), "{report}")?;
            file.write_all(document.as_bytes())?;
        }
        None => write!(anstream::stdout(), "{report}")?,
    }
    Ok(())
}
