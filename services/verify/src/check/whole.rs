//! Whether a trace is whole: what `first-order` waits for.

use crate::trace::{Kind, Trace};

/// One root, no orphan, a SERVER span in another service below each CLIENT span that is no query.
pub(crate) fn one_tree(trace: &Trace) -> Result<String, String> {
    let roots = trace.roots();
    if roots.len() != 1 {
        return Err(format!("{} roots; {}", roots.len(), trace.outline()));
    }
    if let Some(orphan) = trace.orphans().first() {
        return Err(format!("{} has no parent here", orphan.title()));
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
    Ok(format!(
        "{} spans, root {}",
        trace.spans.len(),
        roots[0].title()
    ))
}
