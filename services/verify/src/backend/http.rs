//! One base address and the errors an operator can act on: the address asked and what was returned.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// A query that takes longer is repeated by its row.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    base: String,
}

// === impl Http ===

impl Http {
    pub fn new(base: &str) -> anyhow::Result<Self> {
        // All is on this machine: a proxy of the shell is for other hosts.
        let client = reqwest::Client::builder().no_proxy();
        let client = client.timeout(TIMEOUT).build();
        Ok(Self {
            client: client.context("the HTTP client could not be built")?,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The body; bytes that are no UTF-8 become replacement characters.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.fetch(path, &[], &[]).await?;
        self.of_200(path, status, body)
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
        self.parse(path, &self.of_200(path, status, body)?)
    }

    /// `None` for 404: what is asked for does not exist (yet).
    pub async fn json_if_found(&self, path: &str) -> anyhow::Result<Option<Value>> {
        match self.fetch(path, &[], &[]).await? {
            (404, _) => Ok(None),
            (status, body) => Ok(Some(self.parse(path, &self.of_200(path, status, body)?)?)),
        }
    }

    /// The status of the response, whichever it is.
    pub async fn status(&self, path: &str) -> anyhow::Result<u16> {
        Ok(self.fetch(path, &[], &[]).await?.0)
    }

    fn of_200(&self, path: &str, status: u16, body: String) -> anyhow::Result<String> {
        if status != 200 {
            let line = first_line(&body);
            bail!("{}{path} answered {status}: {line}", self.base);
        }
        Ok(body)
    }

    fn parse(&self, path: &str, body: &str) -> anyhow::Result<Value> {
        serde_json::from_str(body).with_context(|| {
            let line = first_line(body);
            format!("{}{path} answered no JSON: {line}", self.base)
        })
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
        let body = answer.bytes().await;
        let body = body.with_context(|| format!("{url} broke off its answer"))?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
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
