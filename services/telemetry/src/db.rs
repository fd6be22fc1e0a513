//! Queries as CLIENT spans, and `db.client.operation.duration`.
//!
//! ```
//! use telemetry::db::{Database, Failure, Query};
//!
//! # struct Failed;
//! # async fn select(_id: &str) -> Result<u32, Failed> { Ok(1) }
//! # async fn example() -> Result<(), Failed> {
//! const LOOKUP: Query = Query { operation: "SELECT", collection: "products" };
//!
//! let database = Database::new("sqlite", "product", |_: &Failed| Failure::Named("failed"));
//! let row = database.run(LOOKUP, select("tea")).await?;
//! # drop(row); Ok(()) }
//! ```
//!
//! | span | |
//! |---|---|
//! | name | `{operation} {collection}` |
//! | kind | CLIENT |
//! | `db.system.name`, `db.namespace` | of the database |
//! | `db.operation.name`, `db.collection.name` | of the query |
//! | `db.query.summary` | as the name |
//! | `db.response.status_code` | the code that the database failed with, if it gave one |
//! | `error.type` | that code, or a name from `classify`, with status Error; `cancelled` if the future was dropped before its end |
//!
//! The metric has the same attributes but the summary. Query texts, values and messages of errors are nowhere: they hold what
//! people typed.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Instant;

use opentelemetry::context::FutureExt;
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use opentelemetry_semantic_conventions::attribute::{
    DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY, DB_RESPONSE_STATUS_CODE,
    DB_SYSTEM_NAME, ERROR_TYPE,
};

use crate::metrics::{DATABASE_SECONDS, meter};
use contract::metrics;

/// What a query does to what: both come from code, never from input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// `SELECT`, `INSERT`, … or the name of what several statements do together.
    pub operation: &'static str,
    /// The table.
    pub collection: &'static str,
}

/// Why a query failed: one of few kinds, never the message of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The database answered with this code.
    Code(Cow<'static, str>),
    /// The database gave no code: a name of ours.
    Named(&'static str),
}

/// One database of a service, whose queries fail with `E`.
pub struct Database<E> {
    system: &'static str,
    namespace: &'static str,
    classify: fn(&E) -> Failure,
    tracer: BoxedTracer,
    duration: Histogram<f64>,
}

impl<E> Database<E> {
    /// A database of the system `system` (`sqlite`, `postgresql`), named `namespace`. `classify` says what an error is told as.
    ///
    /// Spans and metrics go to the global providers, which [`crate::run`] has set by the time a service asks.
    pub fn new(system: &'static str, namespace: &'static str, classify: fn(&E) -> Failure) -> Self {
        let scope = InstrumentationScope::builder("shop")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        let tracer = global::tracer_with_scope(scope);
        Self::with(system, namespace, classify, tracer, &meter())
    }

    /// As [`Self::new`], with a tracer and a meter of the caller's.
    pub fn with(
        system: &'static str,
        namespace: &'static str,
        classify: fn(&E) -> Failure,
        tracer: BoxedTracer,
        meter: &Meter,
    ) -> Self {
        let duration = meter
            .f64_histogram(metrics::DB_CLIENT_OPERATION_DURATION)
            .with_description("Duration of database client operations.")
            .with_unit("s")
            .with_boundaries(DATABASE_SECONDS.to_vec())
            .build();
        Self {
            system,
            namespace,
            classify,
            tracer,
            duration,
        }
    }

    /// Runs a query inside its span, which is current while the future is polled.
    pub async fn run<T>(
        &self,
        query: Query,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let operation = self.start(query);
        let result = future.with_context(operation.context.clone()).await;
        match &result {
            Ok(_) => operation.end(None),
            Err(error) => operation.end(Some((self.classify)(error))),
        }
        result
    }

    fn start(&self, query: Query) -> Operation {
        let name = format!("{} {}", query.operation, query.collection);
        let attributes = vec![
            KeyValue::new(DB_SYSTEM_NAME, self.system),
            KeyValue::new(DB_NAMESPACE, self.namespace),
            KeyValue::new(DB_OPERATION_NAME, query.operation),
            KeyValue::new(DB_COLLECTION_NAME, query.collection),
        ];
        let summary = KeyValue::new(DB_QUERY_SUMMARY, name.clone());
        let span = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes(attributes.iter().cloned().chain([summary]))
            .start(&self.tracer);
        Operation {
            context: Context::current_with_span(span),
            began: Instant::now(),
            attributes,
            duration: self.duration.clone(),
        }
    }
}

impl<E> fmt::Debug for Database<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("system", &self.system)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Failure {
    fn attributes(self) -> Vec<KeyValue> {
        match self {
            Self::Code(code) => vec![
                KeyValue::new(DB_RESPONSE_STATUS_CODE, code.clone()),
                KeyValue::new(ERROR_TYPE, code),
            ],
            Self::Named(name) => vec![KeyValue::new(ERROR_TYPE, name)],
        }
    }
}

/// A query under way. It ends exactly once: by [`Operation::end`], or cancelled by drop.
struct Operation {
    context: Context,
    began: Instant,
    attributes: Vec<KeyValue>,
    duration: Histogram<f64>,
}

impl Operation {
    fn end(mut self, failure: Option<Failure>) {
        self.settle(failure);
    }

    /// Settles span and metric, and leaves nothing for drop to settle.
    fn settle(&mut self, failure: Option<Failure>) {
        let mut attributes = std::mem::take(&mut self.attributes);
        let span = self.context.span();
        if let Some(failure) = failure {
            let told = failure.attributes();
            span.set_attributes(told.iter().cloned());
            // No description: the message of an error may quote what was typed.
            span.set_status(Status::error(""));
            attributes.extend(told);
        }
        span.end();
        self.duration
            .record(self.began.elapsed().as_secs_f64(), &attributes);
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // Settled operations have given their attributes away.
        if !self.attributes.is_empty() {
            self.settle(Some(Failure::Named("cancelled")));
        }
    }
}
