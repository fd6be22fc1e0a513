//! Claims about traces: their shape, and that TraceQL finds them.

use super::Scene;
use crate::claim::{Node, Shape};
use crate::drive::Case;
use crate::expectations::SERVICES;
use crate::poll::Look;
use crate::trace::{Kind, Span, Trace};

pub(super) async fn search(scene: &Scene, traceql: &str, finds: &[Case]) -> anyhow::Result<Look> {
    let tempo = match scene.tempo() {
        Ok(tempo) => tempo,
        Err(missing) => return Ok(missing),
    };
    let found = tempo.search(traceql, scene.driven.started).await?;
    let missing = finds.iter().find(|case| {
        scene
            .driven
            .trace_id(**case)
            .is_none_or(|id| !found.contains(id))
    });
    Ok(match missing {
        Some(case) => Look::NotYet(format!(
            "{} traces, without that of {case:?} ({})",
            found.len(),
            scene.driven.trace_id(*case).unwrap_or("no trace id")
        )),
        None => Look::Holds(format!("{} traces", found.len())),
    })
}

pub(super) async fn shape(scene: &Scene, case: Case, shape: &Shape) -> anyhow::Result<Look> {
    let trace = match scene.trace(case).await? {
        Ok(trace) => trace,
        Err(look) => return Ok(look),
    };
    let judged = match shape {
        Shape::OneTree { least } => one_tree(&trace, *least),
        Shape::Edge { parent, child } => edge(&trace, *parent, *child),
        Shape::Query { service } => query(&trace, service),
        Shape::Below { node } => below(&trace, *node),
        Shape::Span {
            node,
            attributes,
            is_error,
        } => span(&trace, *node, attributes, *is_error),
        Shape::Slow { node, seconds } => slow(&trace, *node, *seconds),
        Shape::NoError => no_error(&trace),
        Shape::LinksCaller => links_caller(&trace, &scene.driven.outside_trace),
    };
    Ok(match judged {
        Ok(evidence) => Look::Holds(evidence),
        Err(state) => Look::NotYet(format!(
            "{state}; trace {}",
            scene.driven.trace_id(case).unwrap_or_default()
        )),
    })
}

pub(crate) type Judged = Result<String, String>;

pub(crate) fn one_tree(trace: &Trace, least: usize) -> Judged {
    let roots = trace.roots();
    if roots.len() != 1 {
        return Err(format!("{} roots; {}", roots.len(), trace.outline()));
    }
    if let Some(orphan) = trace.orphans().first() {
        return Err(format!("{} has no parent here", orphan.title()));
    }
    let services = trace.services();
    if let Some(missing) = SERVICES
        .iter()
        .find(|service| !services.contains(**service))
    {
        return Err(format!("no span of {missing}; {}", trace.outline()));
    }
    for span in &trace.spans {
        match span.kind {
            Kind::Server if span.parent_span_id.is_some() => {
                let caller = trace.parent(span).filter(|caller| {
                    caller.kind == Kind::Client && caller.service() != span.service()
                });
                caller.ok_or_else(|| {
                    format!("{} has no CLIENT parent in another service", span.title())
                })?;
            }
            Kind::Client if !span.is_database() => {
                let answered = trace
                    .children(&span.span_id)
                    .any(|child| child.kind == Kind::Server);
                answered
                    .then_some(())
                    .ok_or_else(|| format!("{} has no SERVER child", span.title()))?;
            }
            _ => {}
        }
    }
    if trace.spans.len() < least {
        return Err(format!(
            "{} spans instead of at least {least}; {}",
            trace.spans.len(),
            trace.outline()
        ));
    }
    Ok(format!(
        "{} spans, root {}",
        trace.spans.len(),
        roots[0].title()
    ))
}

fn edge(trace: &Trace, parent: Node, child: Node) -> Judged {
    let below = |span: &&Span| {
        child.matches(span)
            && trace
                .parent(span)
                .is_some_and(|above| parent.matches(above))
    };
    match trace.spans.iter().find(below) {
        Some(span) => Ok(format!("{} → {}", parent.title(), span.title())),
        None => Err(format!(
            "no {} below {}; {}",
            child.title(),
            parent.title(),
            trace.outline()
        )),
    }
}

fn query(trace: &Trace, service: &str) -> Judged {
    let own = |span: &&Span| {
        span.service() == service
            && span.is_database()
            && trace
                .server_of(span)
                .is_some_and(|server| server.service() == service)
    };
    let Some(found) = trace.spans.iter().find(own) else {
        return Err(format!(
            "no query of {service} below its SERVER span; {}",
            trace.outline()
        ));
    };
    let named = found.attribute("db.namespace").unwrap_or_default();
    if named.is_empty() || SERVICES.contains(&named.as_str()) {
        return Err(format!("{} has db.namespace {named:?}", found.title()));
    }
    Ok(format!("{} on {named}", found.name))
}

fn below(trace: &Trace, node: Node) -> Judged {
    let found = trace.spans.iter().find(|span| node.matches(span));
    let Some(span) = found else {
        return Err(format!("no {}; {}", node.title(), trace.outline()));
    };
    match trace.server_of(span) {
        Some(server) if server.service() == span.service() => {
            Ok(format!("below {}", server.title()))
        }
        other => Err(format!(
            "{} is below {:?}",
            span.title(),
            other.map(Span::title)
        )),
    }
}

fn span(trace: &Trace, node: Node, attributes: &[(&str, &str)], is_error: bool) -> Judged {
    let mut seen = format!("no {}; {}", node.title(), trace.outline());
    for span in trace.spans.iter().filter(|span| node.matches(span)) {
        let differing = attributes
            .iter()
            .find(|(key, value)| span.attribute(key).as_deref() != Some(value));
        if let Some((key, value)) = differing {
            seen = format!(
                "{} has {key} {:?} instead of {value:?}",
                node.title(),
                span.attribute(key)
            );
        } else if span.is_error() != is_error {
            seen = format!("{} has status {:?}", node.title(), span.status);
        } else {
            return Ok(format!("{}, status {:?}", node.title(), span.status));
        }
    }
    Err(seen)
}

fn slow(trace: &Trace, node: Node, seconds: f64) -> Judged {
    let longest = trace
        .spans
        .iter()
        .filter(|span| node.matches(span))
        .map(Span::seconds)
        .fold(0.0, f64::max);
    if longest < seconds {
        return Err(format!(
            "the longest {} took {longest:.2} s instead of {seconds} s",
            node.title()
        ));
    }
    Ok(format!("{longest:.2} s"))
}

fn no_error(trace: &Trace) -> Judged {
    // Before the root is here the rest is not either.
    if trace.roots().is_empty() {
        return Err(format!("no root yet; {}", trace.outline()));
    }
    match trace.spans.iter().find(|span| span.is_error()) {
        Some(span) => Err(format!("{} has an error", span.title())),
        None => Ok(format!("{} spans without an error", trace.spans.len())),
    }
}

fn links_caller(trace: &Trace, caller: &str) -> Judged {
    let roots = trace.roots();
    let Some(root) = roots.first() else {
        return Err(format!(
            "no root: the caller's span was continued; {}",
            trace.outline()
        ));
    };
    if root.trace_id == caller {
        return Err("the trace is the caller's".to_owned());
    }
    if !root.links.iter().any(|link| link.trace_id == caller) {
        let links: Vec<&str> = root.links.iter().map(|l| l.trace_id.as_str()).collect();
        return Err(format!(
            "{} links {links:?} instead of {caller}",
            root.title()
        ));
    }
    Ok(format!("{} links {caller}", root.title()))
}

/// The original's address; its answer is OTLP/JSON under `batches`.
pub(super) async fn by_old_address(scene: &Scene) -> anyhow::Result<Look> {
    let tempo = match scene.tempo() {
        Ok(tempo) => tempo,
        Err(missing) => return Ok(missing),
    };
    let Some(id) = scene.driven.trace_id(Case::Order) else {
        return Ok(Look::Broken("no order".to_owned()));
    };
    Ok(match tempo.trace_by_old_address(id).await? {
        Some(trace) => Look::Holds(format!("{} spans", trace.spans.len())),
        None => Look::NotYet(format!("no trace {id}")),
    })
}

/// The client that left: gateway's and order's SERVER spans end as cancelled, and nothing below is left open.
pub(super) async fn abandoned(scene: &Scene) -> anyhow::Result<Look> {
    let Some(id) = scene.abandoned().await? else {
        return Ok(Look::NotYet(format!(
            "no trace links {}",
            scene.driven.abandoned_trace
        )));
    };
    let Some(trace) = scene.trace_by_id(&id).await? else {
        return Ok(Look::NotYet(format!("no trace {id}")));
    };
    for service in ["gateway", "order"] {
        let server = trace
            .spans
            .iter()
            .find(|span| span.service() == service && span.kind == Kind::Server);
        let Some(server) = server else {
            return Ok(Look::NotYet(format!(
                "no SERVER span of {service}; {}",
                trace.outline()
            )));
        };
        let kind = server.attribute("error.type");
        if kind.as_deref() != Some("cancelled") {
            return Ok(Look::NotYet(format!(
                "{} has error.type {kind:?}; trace {id}",
                server.title()
            )));
        }
    }
    Ok(Look::Holds(format!(
        "trace {id}, {} spans",
        trace.spans.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::span as made;
    use telemetry_testing::{Attributes, Link};

    /// gateway SERVER → gateway CLIENT → order SERVER → order query, and one SERVER span each of the other two.
    fn whole() -> Vec<Span> {
        let mut query = made("d", Some("c"), "order", Kind::Client, "INSERT orders");
        query
            .attributes
            .insert("db.system.name".into(), "sqlite".into());
        query
            .attributes
            .insert("db.namespace".into(), "order_db".into());
        let mut spans = vec![
            made("a", None, "gateway", Kind::Server, "POST /api/orders"),
            made("b", Some("a"), "gateway", Kind::Client, "PlaceOrder"),
            made("c", Some("b"), "order", Kind::Server, "PlaceOrder"),
            query,
        ];
        for (client, server, service) in [("e", "f", "product"), ("g", "h", "inventory")] {
            spans.push(made(client, Some("c"), "order", Kind::Client, "call"));
            spans.push(made(server, Some(client), service, Kind::Server, "call"));
        }
        spans
    }

    fn without(id: &str) -> Trace {
        Trace::new(
            whole()
                .into_iter()
                .filter(|span| span.span_id != id)
                .collect(),
        )
    }

    #[test]
    fn a_whole_tree_passes() {
        assert!(one_tree(&Trace::new(whole()), 8).is_ok());
        assert!(one_tree(&Trace::new(whole()), 9).is_err());
    }

    #[test]
    fn each_missing_span_of_a_hop_is_named() {
        assert!(
            one_tree(&without("b"), 1)
                .unwrap_err()
                .contains("PlaceOrder [order] has no parent")
        );
        assert!(one_tree(&without("c"), 1).is_err());
        assert!(
            one_tree(&without("h"), 1)
                .unwrap_err()
                .contains("no span of inventory")
        );
        assert!(one_tree(&without("a"), 1).unwrap_err().contains("0 roots"));
    }

    #[test]
    fn a_hop_whose_client_span_is_skipped_is_seen() {
        let mut spans = whole();
        spans.retain(|span| span.span_id != "b");
        spans
            .iter_mut()
            .filter(|span| span.span_id == "c")
            .for_each(|span| span.parent_span_id = Some("a".into()));
        let state = one_tree(&Trace::new(spans), 1).unwrap_err();
        assert!(state.contains("no CLIENT parent"), "{state}");
    }

    #[test]
    fn an_edge_is_direct() {
        let trace = Trace::new(whole());
        let client = Node("gateway", Kind::Client, "PlaceOrder");
        let server = Node("order", Kind::Server, "PlaceOrder");
        assert!(edge(&trace, client, server).is_ok());
        let root = Node("gateway", Kind::Server, "POST /api/orders");
        assert!(edge(&trace, root, server).is_err());
    }

    #[test]
    fn a_query_needs_a_database_named_unlike_the_service() {
        let trace = Trace::new(whole());
        assert!(query(&trace, "order").is_ok());
        assert!(query(&trace, "product").is_err(), "it has none");
        let mut spans = whole();
        spans[3]
            .attributes
            .insert("db.namespace".into(), "order".into());
        assert!(query(&Trace::new(spans), "order").is_err());
    }

    #[test]
    fn a_span_with_another_attribute_says_which() {
        let mut spans = whole();
        spans[2]
            .attributes
            .insert("rpc.response.status_code".into(), "OK".into());
        let node = Node("order", Kind::Server, "PlaceOrder");
        let trace = Trace::new(spans);
        assert!(span(&trace, node, &[("rpc.response.status_code", "OK")], false).is_ok());
        assert!(span(&trace, node, &[("rpc.response.status_code", "OK")], true).is_err());
        let state = span(
            &trace,
            node,
            &[("rpc.response.status_code", "INTERNAL")],
            true,
        )
        .unwrap_err();
        assert!(
            state.contains(r#"Some("OK") instead of "INTERNAL""#),
            "{state}"
        );
    }

    #[test]
    fn a_root_that_continues_the_caller_fails() {
        let mut spans = whole();
        assert!(links_caller(&Trace::new(spans.clone()), "ff").is_err());
        spans[0].links.push(Link {
            trace_id: "ff".into(),
            span_id: String::new(),
            attributes: Attributes::default(),
        });
        assert!(links_caller(&Trace::new(spans), "ff").is_ok());
    }
}
