use std::sync::{Arc, Mutex, PoisonError};

use warp::{Filter, Rejection};

/// The place where a router leaves the template of the route it matched.
///
/// The server layer puts one into the extensions of every request. Routers other than warp can set
/// it themselves; for warp there is [`route`].
#[derive(Clone, Debug, Default)]
pub struct RouteSlot(Arc<Mutex<Option<&'static str>>>);

impl RouteSlot {
    /// Sets the template, in place of an earlier one.
    ///
    /// It is `'static` on purpose: a template comes from code. A path would give every caller the
    /// power to make new series.
    pub fn set(&self, template: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(template);
    }

    pub(super) fn get(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A warp filter that names the route: `http.route` and the second half of the span name.
///
/// Put it right after the filters that decide whether the route matches, path and method. In a
/// chain of `or` a later route that gets this far overwrites an earlier one that rejected after all;
/// a request that no route matches has no `http.route`. Without a server layer it does nothing.
///
/// ```
/// use warp::Filter;
///
/// let product = warp::path!("products" / String)
///     .and(warp::get())
///     .and(otel_tower::http::route("/products/{id}"))
///     .map(|id: String| id);
/// # let _ = product;
/// ```
pub fn route(template: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::ext::optional::<RouteSlot>()
        .and_then(move |slot: Option<RouteSlot>| {
            if let Some(slot) = slot {
                slot.set(template);
            }
            std::future::ready(Ok::<_, Rejection>(()))
        })
        .untuple_one()
}
