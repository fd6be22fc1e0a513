//! A proxy that delivers every byte late: a slow network between two services.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Proxy {
    address: String,
    task: JoinHandle<()>,
}

// === impl Proxy ===

impl Proxy {
    /// Forwards to `target` (`host:port`), each piece after `delay`.
    pub(super) fn start(handle: &Handle, target: &str, delay: Duration) -> anyhow::Result<Self> {
        let target = target.to_owned();
        let listener = handle
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .context("no port for the slow link")?;
        let address = format!("http://{}", listener.local_addr()?);
        let task = handle.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let target = target.clone();
                connections
                    .spawn(async move { join(from, &target, delay).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, task })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(from: TcpStream, target: &str, delay: Duration) -> std::io::Result<()> {
    let to = TcpStream::connect(target).await?;
    let (mut read_from, mut write_from) = from.into_split();
    let (mut read_to, mut write_to) = to.into_split();
    // A far network delays each piece, and lets many be on their way.
    let (sender, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let take = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = read_from.read(&mut buffer).await?;
            let due = Instant::now() + delay;
            if count == 0 || sender.send((due, buffer[..count].to_vec())).is_err() {
                drop(sender);
                return std::io::Result::Ok(());
            }
        }
    };
    let give = async {
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            write_to.write_all(&piece).await?;
        }
        write_to.shutdown().await
    };
    let back = async {
        tokio::io::copy(&mut read_to, &mut write_from).await?;
        write_from.shutdown().await
    };
    tokio::try_join!(take, give, back).map(drop)
}
