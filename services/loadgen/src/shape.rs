//! What a request of each route looks like.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde_json::json;

use crate::hostile;
use crate::mix::Route;
use crate::random::Random;

/// A request that is ready to be sent.
pub type Prepared = Request<Full<Bytes>>;

/// An order has one to so many lines, each of another product, and one or two units a line.
const MAX_LINES: usize = 3;
const MAX_QUANTITY: usize = 2;
/// An order takes no more units than this.
pub const MAX_UNITS: u64 = (MAX_LINES * MAX_QUANTITY) as u64;
/// Orders of this run that are looked up: one of the last so many.
const REMEMBERED: usize = 1_024;

/// Makes requests. The same seed and the same answers give the same requests.
pub struct Shapes {
    gateway: Authority,
    products: Vec<String>,
    placed: VecDeque<PathAndQuery>,
    random: Random,
}

impl Shapes {
    /// `products` are the ids that are ordered and looked up.
    #[must_use]
    pub fn new(gateway: Authority, products: Vec<String>, seed: u64) -> Self {
        Self {
            gateway,
            products,
            placed: VecDeque::new(),
            random: Random::new(seed),
        }
    }

    /// Keeps the `Location` of an order that was placed, to look it up later.
    pub fn remember(&mut self, location: &str) {
        if let Ok(path) = PathAndQuery::try_from(location) {
            self.placed.truncate(REMEMBERED - 1);
            self.placed.push_front(path);
        }
    }

    /// The next request of a route.
    pub fn next(&mut self, route: Route) -> Prepared {
        match route {
            Route::Orders => self.order(),
            Route::Catalogue => self.get(PathAndQuery::from_static("/api/products")),
            Route::Product => {
                let id = self.random.pick(&self.products).cloned();
                self.get_below("/api/products", &id.unwrap_or_default())
            }
            Route::UnknownProduct => {
                let id = self.random.word(12);
                self.get_below("/api/products", &id)
            }
            Route::Order => {
                let newest = self.placed.len();
                let path = self.placed.get(self.random.below(newest)).cloned();
                // Before the first order was placed there is none to look up: the answer, 404, is counted as unexpected.
                self.get(path.unwrap_or(PathAndQuery::from_static("/api/orders/none-placed-yet")))
            }
            Route::Hostile => hostile::next(&mut self.random, &self.gateway),
        }
    }

    fn order(&mut self) -> Prepared {
        let lines = 1 + self.random.below(MAX_LINES.min(self.products.len().max(1)));
        // Neighbours in the list: distinct without drawing twice.
        let first = self.random.below(self.products.len());
        let items: Vec<_> = self
            .products
            .iter()
            .cycle()
            .skip(first)
            .take(lines)
            .map(|id| json!({"product_id": id, "quantity": 1 + self.random.below(MAX_QUANTITY)}))
            .collect();
        let mut request = Request::new(Full::from(json!({"items": items}).to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri(&self.gateway, PathAndQuery::from_static("/api/orders"));
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        request
    }

    fn get_below(&self, collection: &str, id: &str) -> Prepared {
        let path = PathAndQuery::try_from(format!("{collection}/{id}"));
        self.get(path.unwrap_or(PathAndQuery::from_static("/")))
    }

    fn get(&self, path: PathAndQuery) -> Prepared {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri(&self.gateway, path);
        request
    }
}

pub(crate) fn uri(gateway: &Authority, path: PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(gateway.clone());
    parts.path_and_query = Some(path);
    // Scheme, authority and path are all there, which is all that can be missing.
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn shapes(products: &[&str]) -> Shapes {
        let products = products.iter().map(|id| (*id).to_owned()).collect();
        Shapes::new(Authority::from_static("127.0.0.1:1"), products, 5)
    }

    async fn items(request: Prepared) -> Vec<(String, u64)> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let order: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let items = order["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                let id = item["product_id"].as_str().unwrap().to_owned();
                (id, item["quantity"].as_u64().unwrap())
            })
            .collect()
    }

    #[tokio::test]
    async fn orders_have_distinct_products_of_the_list_and_no_more_units_than_promised() {
        let mut shapes = shapes(&["a", "b", "c", "d"]);
        let mut lines_seen = [0; MAX_LINES + 1];
        for _ in 0..200 {
            let items = items(shapes.next(Route::Orders)).await;
            let mut ids: Vec<_> = items.iter().map(|(id, _)| id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), items.len(), "{items:?}");
            assert!(items.iter().all(|(_, quantity)| (1..=2).contains(quantity)));
            assert!(items.iter().map(|(_, quantity)| quantity).sum::<u64>() <= MAX_UNITS);
            lines_seen[items.len()] += 1;
        }
        assert!(lines_seen[1..].iter().all(|n| *n > 20), "{lines_seen:?}");
    }

    #[tokio::test]
    async fn a_single_product_is_enough_for_orders() {
        assert_eq!(items(shapes(&["a"]).next(Route::Orders)).await.len(), 1);
    }

    #[test]
    fn orders_that_were_placed_are_looked_up_and_only_the_last_ones_are_kept() {
        let mut shapes = shapes(&["a"]);
        for number in 0..REMEMBERED + 10 {
            shapes.remember(&format!("/api/orders/{number}"));
        }
        assert_eq!(shapes.placed.len(), REMEMBERED);
        for _ in 0..100 {
            let request = shapes.next(Route::Order);
            let id = request.uri().path().strip_prefix("/api/orders/").unwrap();
            assert!((10..REMEMBERED + 10).contains(&id.parse().unwrap()), "{id}");
        }
    }

    #[test]
    fn the_same_seed_asks_the_same() {
        let asked = || -> Vec<_> {
            let mut shapes = shapes(&["a", "b", "c"]);
            let routes = [Route::Product, Route::UnknownProduct, Route::Hostile];
            let requests = routes.iter().cycle().take(60);
            requests
                .map(|route| {
                    let request = shapes.next(*route);
                    (request.method().clone(), request.uri().clone())
                })
                .collect()
        };
        assert_eq!(asked(), asked());
    }
}
