//! The command line.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::load::Load;
use crate::mix::{Mix, Route};
use crate::plan::{Amount, Plan, loopback};
use crate::report::Report;

/// Open-loop load for the shop.
///
/// Requests start when they are due, whether or not earlier ones were answered, and each latency counts from that moment. Ctrl-C
/// ends a run early, with a report of what was done. The exit code is 1 if a request failed in transport, if too many answers were
/// unexpected or too many arrivals shed, or if `--orders` did not place them all.
///
/// No run sends more than 100,000 requests or takes longer than 10 minutes, and none leaves this machine.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
struct Cli {
    /// Where the gateway is: http://HOST:PORT of this machine. Without it, the port is GATEWAY_PORT, else 8080.
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    #[arg(long, env = "GATEWAY_PORT", default_value_t = 8080, hide = true)]
    gateway_port: u16,
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
    #[arg(long, value_name = "N", conflicts_with_all = ["mix", "scenario"])]
    orders: Option<u64>,
    /// What is asked for, by weight. Routes: orders, catalogue, product, unknown-product, order (one of this run).
    #[arg(long, value_name = "ROUTE=WEIGHT,..", default_value_t = Mix::default())]
    mix: Mix,
    /// Run this scenario of the page and nothing else, such as product-error.
    #[arg(long, value_name = "NAME", conflicts_with = "mix")]
    scenario: Option<String>,
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
    fn plan(&self) -> anyhow::Result<Plan> {
        let port = self.gateway_port;
        let default = format!("http://127.0.0.1:{port}");
        let (amount, warm_up) = match self.orders {
            Some(orders) => (Amount::Sent(orders), Duration::ZERO),
            None => (Amount::For(self.duration), self.warm_up),
        };
        let mix = match (&self.scenario, self.orders) {
            (Some(_), _) => Mix::only(Route::Scenario),
            (None, Some(_)) => Mix::only(Route::Orders),
            (None, None) => self.mix.clone(),
        };
        Ok(Plan {
            gateway: loopback(self.gateway.as_deref().unwrap_or(&default))?,
            rate: self.rate,
            warm_up,
            amount,
            mix,
            scenario: self.scenario.clone().unwrap_or("normal".to_owned()),
            in_flight: self.in_flight,
            timeout: self.timeout,
            seed: self.seed,
        })
    }
}

/// Parses the process's arguments and does what they say.
pub fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let plan = cli.plan()?;
    plan.check()?;
    // Before the run: a file that cannot be written should not cost one.
    let json = cli.json.as_deref().map(create).transpose()?;
    // One thread: the generator should leave the machine to the shop, and one is enough for its highest rate here.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tally = runtime.block_on(async {
        let load = Load::prepare(plan.clone()).await?;
        // On stderr, and hidden where that is no terminal. The template is a constant; one that did not parse would look plain.
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed}  {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(plan.arrivals()).with_style(style);
        let mut bad = 0;
        let run = load.run(interrupted(), |settled| {
            bar.inc(1);
            if settled.is_bad() {
                bad += 1;
                bar.set_message(format!("{bad} failed, unexpected or shed"));
            }
        });
        let tally = run.await;
        bar.finish_and_clear();
        tally
    })?;
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let command = words.collect::<Vec<_>>().join(" ");
    let report = Report::new(&plan, &tally, command, cli.max_error_ratio);
    show(&report, json)?;
    Ok(match report.reasons.is_empty() {
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

fn show(report: &Report<'_>, json: Option<Option<File>>) -> anyhow::Result<()> {
    let document = format!("{:#}\n", report.json());
    let text = report.to_string();
    match json {
        Some(None) => {
            write(anstream::stderr(), &text)?;
            write(anstream::stdout(), &document)?;
        }
        Some(Some(file)) => {
            write(anstream::stdout(), &text)?;
            write(file, &document)?;
        }
        None => write(anstream::stdout(), &text)?,
    }
    Ok(())
}

/// A reader that has closed its end, such as `head`, has read what it wants.
fn write(mut out: impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
