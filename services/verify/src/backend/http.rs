//! One base address and the errors an operator can act on: the address asked and what came back.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// A query that takes longer is answered by its row's next look.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

// === impl Http ===

impl Http {
    pub fn new(base: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()
            .context("the HTTP client could not be built")?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.fetch(path, &[], &[]).await?;
        if status != 200 {
            bail!(
                "{}{path} answered {status}: {}",
                self.base,
                first_line(&body)
            );
        }
        Ok(body)
    }

    pub async fn json(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.json_with(path, query, &[]).await
    }

    pub async fn json_with(
        &self,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&'static str, &'static str)],
    ) -> anyhow::Result<Value> {
        let (status, body) = self.fetch(path, query, headers).await?;
        if status != 200 {
            bail!(
                "{}{path} answered {status}: {}",
                self.base,
                first_line(&body)
            );
        }
        serde_json::from_str(&body).with_context(|| {
            format!(
                "{}{path} answered no JSON: {}",
                self.base,
                first_line(&body)
            )
        })
    }

    /// `None` for 404: what is asked for does not exist (yet).
    pub async fn json_if_found(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let (status, body) = self.fetch(path, &[], &[]).await?;
        match status {
            200 => Ok(Some(serde_json::from_str(&body)?)),
            404 => Ok(None),
            _ => bail!(
                "{}{path} answered {status}: {}",
                self.base,
                first_line(&body)
            ),
        }
    }

    /// What it answers, whatever that says.
    pub async fn status(&self, path: &str) -> anyhow::Result<u16> {
        Ok(self.fetch(path, &[], &[]).await?.0)
    }

    async fn fetch(
        &self,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&'static str, &'static str)],
    ) -> anyhow::Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.get(&url).query(query);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => bail!("{} does not answer: {}", self.base, root_cause(&error)),
        };
        let status = answer.status().as_u16();
        let body = answer
            .text()
            .await
            .with_context(|| format!("{url} broke off its answer"))?;
        Ok((status, body))
    }
}

/// `reqwest` wraps "connection refused" in three layers that only repeat the address.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn first_line(body: &str) -> &str {
    let line = body.lines().next().unwrap_or_default();
    match line.char_indices().nth(200) {
        Some((end, _)) => &line[..end],
        None => line,
    }
}
