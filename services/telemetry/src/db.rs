//! Queries as CLIENT spans, and `db.client.operation.duration`.
//!
//! ```
//! # use std::borrow::Cow;
//! use telemetry::db::{Database, Query};
//!
//! # #[derive(Debug)] struct Failed; impl std::fmt::Display for Failed { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
//! # async fn select(_id: &str) -> Result<u32, Failed> { Ok(1) }
//! # async fn example() -> Result<(), Failed> {
//! const LOOKUP: Query = Query { operation: "SELECT", collection: "products" };
//!
//! let database = Database::new("sqlite", "product", |_: &Failed| Cow::Borrowed("failed"));
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
//! | `error.type` | from `classify`, with status Error; `cancelled` if the future was dropped before its end |
//!
//! The metric has the same attributes but the summary. Query texts and values are nowhere: they hold what people typed.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::future::Future;
use std::time::Instant;

use opentelemetry::context::FutureExt;
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use opentelemetry_semantic_conventions::attribute::{
    DB_COLLECTION_NAME, DB_NAMESPACE, DB_OPERATION_NAME, DB_QUERY_SUMMARY, DB_SYSTEM_NAME,
    ERROR_TYPE,
};

use crate::metrics::{DATABASE_SECONDS, meter};
use crate::names::metrics;

/// What a query does to what: both come from code, never from input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// `SELECT`, `INSERT`, … or the name of what several statements do together.
    pub operation: &'static str,
    /// The table.
    pub collection: &'static str,
}

/// One database of a service, whose queries fail with `E`.
pub struct Database<E> {
    system: &'static str,
    namespace: &'static str,
    classify: fn(&E) -> Cow<'static, str>,
    tracer: BoxedTracer,
    duration: Histogram<f64>,
}

impl<E: Display> Database<E> {
    /// A database of the system `system` (`sqlite`, `postgresql`), named `namespace`. `classify` gives an error's
    /// `error.type`: a code of the database or a name of ours, of few kinds, never its message.
    ///
    /// Spans and metrics go to the global providers, which [`crate::run`] has set by the time a service asks.
    pub fn new(
        system: &'static str,
        namespace: &'static str,
        classify: fn(&E) -> Cow<'static, str>,
    ) -> Self {
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
        classify: fn(&E) -> Cow<'static, str>,
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
            Err(error) => operation.end(Some(((self.classify)(error), error.to_string()))),
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

/// A query under way. It ends exactly once: by [`Operation::end`], or cancelled by drop.
struct Operation {
    context: Context,
    began: Instant,
    attributes: Vec<KeyValue>,
    duration: Histogram<f64>,
}

impl Operation {
    fn end(mut self, failure: Option<(Cow<'static, str>, String)>) {
        self.settle(failure);
    }

    /// Settles span and metric, and leaves nothing for drop to settle.
    fn settle(&mut self, failure: Option<(Cow<'static, str>, String)>) {
        let mut attributes = std::mem::take(&mut self.attributes);
        let span = self.context.span();
        if let Some((kind, description)) = failure {
            let kind = KeyValue::new(ERROR_TYPE, kind);
            span.set_attribute(kind.clone());
            span.set_status(Status::error(description));
            attributes.push(kind);
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
            self.settle(Some((Cow::Borrowed("cancelled"), "cancelled".to_owned())));
        }
    }
}
