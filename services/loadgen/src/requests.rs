//! What a request of each route looks like, and what it takes to make them: products that last as long as the load.

use std::collections::VecDeque;
use std::iter::repeat_with;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use fastrand::Rng;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::mix::Route;
use crate::plan::Plan;

/// An order has one to so many lines, each of another product, and one or two units a line.
const MAX_LINES: usize = 3;
const MAX_QUANTITY: usize = 2;
/// An order takes no more units than this.
pub const MAX_UNITS: u64 = (MAX_LINES * MAX_QUANTITY) as u64;
/// One of the last so many orders is looked up.
const REMEMBERED: usize = 1_024;

/// Makes requests. The same seed and the same answers give the same requests.
#[derive(Debug)]
pub struct Requests {
    gateway: Authority,
    scenario: String,
    products: Vec<String>,
    placed: VecDeque<String>,
    random: Rng,
}

#[derive(Deserialize)]
struct Catalogue {
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    id: String,
    available: Option<u64>,
}

impl Requests {
    pub(crate) async fn prepare(client: &Client, plan: &Plan) -> anyhow::Result<Self> {
        let mut requests = Self {
            gateway: plan.gateway.clone(),
            scenario: plan.scenario.clone(),
            products: Vec::new(),
            placed: VecDeque::new(),
            random: Rng::with_seed(plan.seed),
        };
        if plan.mix.needs_products() {
            requests.products = catalogue(client, plan).await?.in_stock(plan)?;
        }
        if plan.mix.has(Route::Order) {
            let answer = client.send(requests.next(Route::Orders)).await;
            let location = answer.as_ref().ok().and_then(|it| it.location.as_deref());
            let location = location
                .with_context(|| format!("no order could be placed before the run: {answer:?}"))?;
            requests.remember(Some(location));
        }
        Ok(requests)
    }

    /// Keeps the `Location` of an order that was placed, to look it up later.
    pub(crate) fn remember(&mut self, location: Option<&str>) {
        if let Some(location) = location {
            self.placed.truncate(REMEMBERED - 1);
            self.placed.push_front(location.to_owned());
        }
    }

    pub(crate) fn next(&mut self, route: Route) -> Request<Full<Bytes>> {
        match route {
            Route::Orders => self.order(),
            Route::Catalogue => self.request(Method::GET, "/api/products"),
            Route::Product => {
                let id = self.random.choice(&self.products);
                let path = format!("/api/products/{}", id.map_or("", String::as_str));
                self.request(Method::GET, &path)
            }
            Route::UnknownProduct => {
                let id: String = repeat_with(|| self.random.alphanumeric())
                    .take(12)
                    .collect();
                self.request(Method::GET, &format!("/api/products/{id}"))
            }
            Route::Order => {
                let newest = self.random.choice(&self.placed);
                let path = newest.map_or("/api/orders/none-placed-yet", String::as_str);
                self.request(Method::GET, path)
            }
            Route::Scenario => {
                let path = format!("/api/scenarios/{}", self.scenario);
                self.request(Method::POST, &path)
            }
        }
    }

    fn order(&mut self) -> Request<Full<Bytes>> {
        let Self {
            products, random, ..
        } = self;
        let lines = random.usize(1..=MAX_LINES.min(products.len().max(1)));
        // Neighbours in the list: distinct without drawing twice.
        let first = random.usize(0..products.len().max(1));
        let items: Vec<_> = products
            .iter()
            .cycle()
            .skip(first)
            .take(lines)
            .map(|id| json!({"product_id": id, "quantity": random.usize(1..=MAX_QUANTITY)}))
            .collect();
        let mut request = self.request(Method::POST, "/api/orders");
        *request.body_mut() = Full::from(json!({"items": items}).to_string());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        request
    }

    fn request(&self, method: Method, path: &str) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = uri(&self.gateway, path);
        request
    }
}

impl Catalogue {
    /// The products that last even if every order takes all its units of one of them: stock is never refilled, and a shop that
    /// has run out answers something else, faster.
    fn in_stock(self, plan: &Plan) -> anyhow::Result<Vec<String>> {
        let needed = match plan.mix.has(Route::Orders) || plan.mix.has(Route::Order) {
            true => plan.arrivals().saturating_mul(MAX_UNITS),
            false => 0,
        };
        let most = self.products.iter().filter_map(|it| it.available).max();
        let products = self.products.into_iter();
        let products: Vec<_> = products
            .filter(|product| product.available.unwrap_or(0) >= needed)
            .map(|product| product.id)
            .collect();
        ensure!(
            !products.is_empty(),
            "no product has {needed} units in stock, which this run might take of one (the most is {}): \
             ask for fewer, or reset the stock: `just down --volumes`, `just run`",
            most.unwrap_or(0)
        );
        Ok(products)
    }
}

async fn catalogue(client: &Client, plan: &Plan) -> anyhow::Result<Catalogue> {
    let uri = uri(&plan.gateway, "/api/products");
    let (status, body) = client
        .get(uri.clone())
        .await
        .with_context(|| format!("no shop answers at {uri}: `just run` starts one"))?;
    ensure!(
        status.is_success(),
        "{uri} answered {status}: `just status` shows whether all services run"
    );
    serde_json::from_slice(&body).with_context(|| format!("the answer of {uri} is no catalogue"))
}

/// A path that is none, such as a `Location` of another form, becomes `/`.
fn uri(gateway: &Authority, path: &str) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(gateway.clone());
    parts.path_and_query =
        Some(PathAndQuery::try_from(path).unwrap_or(PathAndQuery::from_static("/")));
    // Scheme, authority and path are all there, which is all that can be missing.
    Uri::from_parts(parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::time::Duration;

    use crate::mix::Mix;
    use crate::plan::Amount;

    fn plan(mix: &str, amount: Amount) -> Plan {
        Plan {
            mix: mix.parse().unwrap(),
            amount,
            ..Plan::orders("http://127.0.0.1:1", 10.0).unwrap()
        }
    }

    fn requests(products: &[&str]) -> Requests {
        Requests {
            gateway: Authority::from_static("127.0.0.1:1"),
            scenario: "normal".to_owned(),
            products: products.iter().map(|id| (*id).to_owned()).collect(),
            placed: VecDeque::new(),
            random: Rng::with_seed(5),
        }
    }

    #[tokio::test]
    async fn orders_have_distinct_products_and_no_more_units_than_promised() {
        for products in [&["a"][..], &["a", "b", "c", "d"]] {
            let mut requests = requests(products);
            let mut lines = [0; MAX_LINES + 1];
            for _ in 0..200 {
                let body = requests.next(Route::Orders).into_body();
                let body = body.collect().await.unwrap().to_bytes();
                let order: serde_json::Value = serde_json::from_slice(&body).unwrap();
                let items = order["items"].as_array().unwrap();
                let mut ids: Vec<_> = items.iter().map(|it| it["product_id"].as_str()).collect();
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), items.len(), "{order}");
                let units = items.iter().map(|it| it["quantity"].as_u64().unwrap());
                assert!(units.clone().all(|it| (1..=2).contains(&it)));
                assert!(units.sum::<u64>() <= MAX_UNITS);
                lines[items.len()] += 1;
            }
            let expected = lines[1..].iter().filter(|count| **count > 20).count();
            assert_eq!(expected, products.len().min(MAX_LINES), "{lines:?}");
        }
    }

    #[test]
    fn one_of_the_last_orders_is_looked_up() {
        let mut requests = requests(&["a"]);
        for number in 0..REMEMBERED + 10 {
            requests.remember(Some(&format!("/api/orders/{number}")));
        }
        for _ in 0..100 {
            let request = requests.next(Route::Order);
            let id = request.uri().path().strip_prefix("/api/orders/").unwrap();
            assert!((10..REMEMBERED + 10).contains(&id.parse().unwrap()), "{id}");
        }
    }

    #[test]
    fn only_products_that_last_are_ordered() {
        let chosen = |mix, amount| {
            let product = |id: &str, available| Product {
                id: id.to_owned(),
                available,
            };
            let products = vec![
                product("many", Some(60_000)),
                product("scarce", Some(10)),
                product("unknown", None),
            ];
            Catalogue { products }.in_stock(&plan(mix, amount))
        };
        let seconds = |seconds| Amount::For(Duration::from_secs(seconds));
        let mix = Mix::default().to_string();
        assert_eq!(chosen(&mix, seconds(10)).unwrap(), ["many"]);
        assert_eq!(chosen("product=1", seconds(10_000)).unwrap().len(), 3);
        for amount in [seconds(1_001), Amount::Sent(10_010)] {
            let refused = chosen(&mix, amount).unwrap_err().to_string();
            assert!(refused.contains("60060 units"), "{refused}");
            assert!(refused.contains("the most is 60000"), "{refused}");
        }
    }
}
