//! PromQL, exemplars and scrape targets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use serde_json::Value;

use super::backend;

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    pub trace_id: String,
    pub series: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeTarget {
    pub job: String,
    pub url: String,
    pub health: String,
    pub error: String,
}

backend!(Prometheus, "/-/ready");

// === impl Prometheus ===

impl Prometheus {
    /// An instant query, now.
    pub async fn query(&self, promql: &str) -> anyhow::Result<Vec<Sample>> {
        let answer = self.get("/api/v1/query", &[("query", promql)]).await?;
        samples(&answer).with_context(|| format!("PromQL {promql}"))
    }

    /// When the running process of a service or component was started; of all of them, the first. It reports that itself,
    /// so what was said earlier is another process's. Six days ago at most: Loki keeps a week, and refuses to be asked for more.
    pub async fn began(&self, program: Option<&str>) -> anyhow::Result<SystemTime> {
        /// Between its start and its first line, a process rounds its clock.
        const SLACK: f64 = 2.0;
        const LONGEST: Duration = Duration::from_secs(6 * 24 * 60 * 60);
        let (of, which) = match program {
            Some(program) => (format!(r#"{{service_name="{program}"}}"#), "max"),
            None => (r#"{service_name!=""}"#.to_owned(), "min"),
        };
        let since = |uptime: &str| format!("(timestamp({uptime}{of}) - {uptime}{of})");
        let promql = format!(
            "{which}(process_start_time_seconds{of} or {} or {})",
            since("otelcol_process_uptime"),
            since("process_uptime_seconds"),
        );
        let samples = self.query(&promql).await?;
        let began = samples.first().map(|sample| sample.value - SLACK);
        let began = began.with_context(|| format!("no answer to {promql}"))?;
        let began = SystemTime::UNIX_EPOCH + Duration::try_from_secs_f64(began)?;
        Ok(began.max(SystemTime::now() - LONGEST))
    }

    /// Each series of a query over time, with its newest number; one that never has a number is left out.
    pub async fn range(
        &self,
        promql: &str,
        since: SystemTime,
        step: Duration,
    ) -> anyhow::Result<Vec<Sample>> {
        let (start, end) = (seconds(since), seconds(SystemTime::now()));
        let step = format!("{}", step.as_secs_f64());
        let query = [
            ("query", promql),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        let answer = self.get("/api/v1/query_range", &query).await?;
        Ok(newest(&answer))
    }

    /// The tree that Prometheus itself makes of a query; `Err` is its words about a query that is none.
    pub async fn parse(&self, promql: &str) -> anyhow::Result<Value> {
        let answer = self
            .get("/api/v1/parse_query", &[("query", promql)])
            .await?;
        Ok(answer["data"].clone())
    }

    /// The names of the labels of the series that match; none if there is no such series.
    pub async fn label_names(
        &self,
        selector: &str,
        since: SystemTime,
    ) -> anyhow::Result<BTreeSet<String>> {
        let query = [("match[]", selector), ("start", &seconds(since))];
        let answer = self.get("/api/v1/labels", &query).await?;
        Ok(words(&answer))
    }

    /// The values of a label, of the series that match or of all.
    pub async fn label_values(
        &self,
        label: &str,
        selector: Option<&str>,
        since: SystemTime,
    ) -> anyhow::Result<BTreeSet<String>> {
        let start = seconds(since);
        let mut query = vec![("start", start.as_str())];
        query.extend(selector.map(|selector| ("match[]", selector)));
        let path = format!("/api/v1/label/{label}/values");
        Ok(words(&self.get(&path, &query).await?))
    }

    /// The rules that it has loaded: name, and why one could not be evaluated.
    pub async fn rules(&self) -> anyhow::Result<Vec<(String, String)>> {
        let answer = self.get("/api/v1/rules", &[]).await?;
        let groups = answer["data"]["groups"].as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(rules
            .map(|rule| (text(&rule["name"]), text(&rule["lastError"])))
            .collect())
    }

    pub async fn exemplars(
        &self,
        promql: &str,
        since: SystemTime,
    ) -> anyhow::Result<Vec<Exemplar>> {
        let start = seconds(since);
        let end = seconds(SystemTime::now());
        let answer = self
            .get(
                "/api/v1/query_exemplars",
                &[("query", promql), ("start", &start), ("end", &end)],
            )
            .await?;
        Ok(exemplars(&answer))
    }

    pub async fn targets(&self) -> anyhow::Result<Vec<ScrapeTarget>> {
        let answer = self.get("/api/v1/targets", &[("state", "active")]).await?;
        Ok(targets(&answer))
    }
}

fn samples(answer: &Value) -> anyhow::Result<Vec<Sample>> {
    let data = &answer["data"];
    if data["resultType"] == "scalar" {
        let value = number(&data["result"][1]).context("a scalar without a number")?;
        return Ok(vec![Sample {
            labels: BTreeMap::new(),
            value,
        }]);
    }
    let series = data["result"].as_array().context("no result list")?;
    let samples: Vec<Sample> = series
        .iter()
        .filter_map(|series| {
            Some(Sample {
                labels: labels(&series["metric"]),
                value: number(&series["value"][1])?,
            })
        })
        .collect();
    if samples.is_empty() && !series.is_empty() {
        bail!("{} samples without a number", series.len());
    }
    Ok(samples)
}

pub(super) fn newest(answer: &Value) -> Vec<Sample> {
    let series = answer["data"]["result"].as_array().into_iter().flatten();
    series
        .filter_map(|series| {
            let points = series["values"].as_array()?.iter();
            let mut numbers = points.filter_map(|point| number(&point[1]));
            Some(Sample {
                labels: labels(&series["metric"]),
                value: numbers.rfind(|number| !number.is_nan())?,
            })
        })
        .collect()
}

pub(super) fn words(answer: &Value) -> BTreeSet<String> {
    let words = answer["data"].as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

fn exemplars(answer: &Value) -> Vec<Exemplar> {
    let mut found = Vec::new();
    for series in answer["data"].as_array().into_iter().flatten() {
        let of = labels(&series["seriesLabels"]);
        for exemplar in series["exemplars"].as_array().into_iter().flatten() {
            if let Some(trace_id) = exemplar["labels"]["trace_id"].as_str() {
                found.push(Exemplar {
                    trace_id: trace_id.to_owned(),
                    series: of.clone(),
                });
            }
        }
    }
    found
}

fn targets(answer: &Value) -> Vec<ScrapeTarget> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    answer["data"]["activeTargets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|target| ScrapeTarget {
            job: text(&target["labels"]["job"]),
            url: text(&target["scrapeUrl"]),
            health: text(&target["health"]),
            error: text(&target["lastError"]),
        })
        .collect()
}

pub(super) fn labels(value: &Value) -> BTreeMap<String, String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn number(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

fn seconds(at: SystemTime) -> String {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:.3}", since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vector_gives_its_labels_and_numbers() {
        let answer = json!({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"service_name": "order"}, "value": [1.5, "3"]},
            {"metric": {}, "value": [1.5, "NaN"]}]}});
        let samples = samples(&answer).unwrap();
        assert_eq!(samples[0].labels["service_name"], "order");
        assert_eq!(samples[0].value, 3.0);
        assert!(samples[1].value.is_nan());
    }

    #[test]
    fn a_sample_that_cannot_be_read_takes_no_other_with_it() {
        let histogram = json!({"metric": {}, "histogram": [1, {}]});
        let answer = |result| json!({"data": {"resultType": "vector", "result": result}});
        let found = samples(&answer(
            json!([histogram, {"metric": {}, "value": [1, "3"]}]),
        ));
        assert_eq!(found.unwrap().len(), 1);
        assert!(
            samples(&answer(json!([histogram]))).is_err(),
            "not 0 samples"
        );
        assert!(samples(&json!({"status": "error"})).is_err());
        let answer = json!({"data": {"result": [{"metric": {"a": "b"}, "values": [[1, "NaN"]]},
            {"metric": {"a": "c"}, "values": [[1, "2"], [2, "NaN"]]}]}});
        let found = newest(&answer);
        assert_eq!((found.len(), found[0].value), (1, 2.0));
    }

    #[test]
    fn exemplars_have_their_trace_and_targets_their_error() {
        let answer = json!({"data": [{"seriesLabels": {"service_name": "order"},
            "exemplars": [{"labels": {"trace_id": "ab", "span_id": "cd"}, "value": "0.1"}]}]});
        let found = exemplars(&answer);
        assert_eq!(found[0].trace_id, "ab");
        assert_eq!(found[0].series["service_name"], "order");
        let answer = json!({"data": {"activeTargets": [{"labels": {"job": "loki"}, "scrapeUrl": "http://x/metrics",
            "health": "down", "lastError": "connection refused"}]}});
        assert_eq!(targets(&answer)[0].error, "connection refused");
    }
}
