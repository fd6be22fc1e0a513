//! Breaking and mending.

use anyhow::Context;
use tokio::runtime::Runtime;
use yaml_serde::Value;

use super::link::SlowLink;
use super::table::How;
use crate::bench::{Bench, at};

/// Loopback, and nobody listens there.
const NOWHERE: &str = "127.0.0.9";

/// What has to live as long as the break.
#[derive(Debug)]
pub(super) struct Broken {
    how: How,
    _link: Option<SlowLink>,
}

pub(super) fn break_it(bench: &Bench, runtime: &Runtime, how: How) -> anyhow::Result<Broken> {
    let mut link = None;
    match how {
        How::Load => {}
        How::Stopped(component) => bench.instance()?.stop_component(component)?,
        How::Started(component, variables) => bench.restart_with(component, variables)?,
        How::SlowLink(delay) => {
            let inventory = bench.instance()?.addresses().inventory;
            let slow = SlowLink::start(runtime, &inventory, delay)?;
            bench.restart_with("order", &[("SHOP_INVENTORY_URL", slow.address())])?;
            link = Some(slow);
        }
        How::TracesAway => match bench.instance()?.is_running("tempo") {
            // It takes half a minute to stop; a crash does not.
            true => bench.instance()?.kill_component("tempo")?,
            false => bench.restart_with("otel-collector", &[("TEMPO_HOST", NOWHERE)])?,
        },
        How::LittleMemory(mib) => bench.alter_collector(|config| limit(config, mib))?,
        How::SmallQueue(size) => {
            bench.alter_collector(|config| shrink(config, size))?;
            bench.instance()?.stop_component("loki")?;
        }
    }
    Ok(Broken { how, _link: link })
}

impl Broken {
    /// Starts what was stopped, and what was started wrongly as it is shipped.
    pub(super) fn mend(self, bench: &Bench) -> anyhow::Result<()> {
        let start = |component: &str| {
            bench
                .instance()?
                .start_component(component)
                .map_err(Into::into)
        };
        match self.how {
            How::Load => Ok(()),
            How::Stopped(component) => start(component),
            How::Started(component, _) => bench.restart_with(component, &[]),
            How::LittleMemory(_) => bench.restart_with("otel-collector", &[]),
            How::SlowLink(_) => bench.restart_with("order", &[]),
            How::TracesAway => match bench.instance()?.traces() {
                stack::TraceStore::Archive(_) => bench.restart_with("otel-collector", &[]),
                _ => start("tempo"),
            },
            How::SmallQueue(_) => {
                start("loki")?;
                bench.restart_with("otel-collector", &[])
            }
        }
    }
}

fn shrink(config: &mut Value, size: u32) -> anyhow::Result<()> {
    let queue = at(config, &["exporters", "otlp_http/loki", "sending_queue"])?;
    let batch = at(queue, &["batch"])?;
    // A batch must not be larger than the queue.
    for key in ["min_size", "max_size"] {
        *at(batch, &[key])? = (size / 2).into();
    }
    *queue.get_mut("queue_size").context("no queue_size")? = size.into();
    Ok(())
}

fn limit(config: &mut Value, mib: u32) -> anyhow::Result<()> {
    let limiter = at(config, &["processors", "memory_limiter"])?;
    *limiter.get_mut("limit_mib").context("no limit_mib")? = mib.into();
    // Most that it expects between two looks: less than the limit.
    *limiter
        .get_mut("spike_limit_mib")
        .context("no spike_limit_mib")? = (mib / 5).into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_queue_and_memory_can_be_made_small() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../collector/config.yaml");
        let mut config: Value =
            yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        shrink(&mut config, 200).unwrap();
        let queue = &config["exporters"]["otlp_http/loki"]["sending_queue"];
        assert_eq!(queue["queue_size"], Value::from(200));
        assert_eq!(queue["batch"]["max_size"], Value::from(100));
        limit(&mut config, 5).unwrap();
        let limiter = &config["processors"]["memory_limiter"];
        assert_eq!(limiter["limit_mib"], Value::from(5));
        assert_eq!(limiter["spike_limit_mib"], Value::from(1));
    }
}
