//! What is asked for, and how often: the one table of routes.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// A kind of request, counted and reported on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Orders,
    Catalogue,
    Product,
    UnknownProduct,
    Order,
    Hostile,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    pub route: Route,
    /// In `--mix` and in the report.
    pub name: &'static str,
    pub what: &'static str,
    /// Of the default mix.
    pub weight: u32,
    /// Every other answer is counted as unexpected.
    pub expected: fn(u16) -> bool,
}

/// In the order of [`Route`] and of the report.
pub const ROUTES: [Row; 6] = [
    Row {
        route: Route::Orders,
        name: "orders",
        what: "POST /api/orders",
        weight: 6,
        // Out of stock is an expected outcome of the shop; the report shows how often it was one here.
        expected: |status| matches!(status, 201 | 409),
    },
    Row {
        route: Route::Catalogue,
        name: "catalogue",
        what: "GET /api/products",
        weight: 3,
        expected: |status| status == 200,
    },
    Row {
        route: Route::Product,
        name: "product",
        what: "GET /api/products/{id}",
        weight: 3,
        expected: |status| status == 200,
    },
    Row {
        route: Route::UnknownProduct,
        name: "unknown-product",
        what: "GET /api/products/{random id}",
        weight: 1,
        expected: |status| status == 404,
    },
    Row {
        route: Route::Order,
        name: "order",
        what: "GET /api/orders/{id of this run}",
        weight: 2,
        expected: |status| status == 200,
    },
    Row {
        route: Route::Hostile,
        name: "hostile",
        what: "random paths, ids, methods, headers, bodies",
        weight: 0,
        // Whatever is asked: a refusal is right, an error of the server is not.
        expected: |status| status < 500,
    },
];

/// The weight that `--hostile` gives to hostile requests: a quarter of the default mix.
pub const HOSTILE_WEIGHT: u32 = 5;

const MAX_WEIGHT: u32 = 1_000;

impl Route {
    #[must_use]
    pub fn row(self) -> &'static Row {
        // The table has a row per variant, in their order: a test holds it to that.
        &ROUTES[self as usize]
    }
}

/// A weight per row of [`ROUTES`]; never all zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix([u32; ROUTES.len()]);

impl Default for Mix {
    fn default() -> Self {
        Self(ROUTES.each_ref().map(|row| row.weight))
    }
}

impl Mix {
    /// One route and nothing else.
    #[must_use]
    pub fn only(route: Route) -> Self {
        Self(ROUTES.each_ref().map(|row| u32::from(row.route == route)))
    }

    /// This mix with hostile requests; a weight that it has already stays.
    #[must_use]
    pub fn with_hostile(mut self) -> Self {
        let weight = &mut self.0[Route::Hostile as usize];
        *weight = if *weight == 0 {
            HOSTILE_WEIGHT
        } else {
            *weight
        };
        self
    }

    #[must_use]
    pub fn has(&self, route: Route) -> bool {
        self.0[route as usize] > 0
    }

    pub fn pick(&self, random: &mut Random) -> Route {
        let total: u32 = self.0.iter().sum();
        let mut left = random.below(total as usize) as u32;
        for row in &ROUTES {
            let weight = self.0[row.route as usize];
            if left < weight {
                return row.route;
            }
            left -= weight;
        }
        Route::Orders
    }

    /// The routes with a weight, as `--mix` takes them.
    pub fn weights(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let weight = |row: &'static Row| (row.name, self.0[row.route as usize]);
        ROUTES.iter().map(weight).filter(|(_, weight)| *weight > 0)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self
            .weights()
            .map(|(name, weight)| format!("{name}={weight}"))
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Mix {
    type Err = String;

    /// `orders=6,catalogue=3`; a route that is not named gets nothing.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = [None; ROUTES.len()];
        for part in text.split(',') {
            let (name, weight) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is not ROUTE=WEIGHT"))?;
            let row = ROUTES.iter().find(|row| row.name == name).ok_or_else(|| {
                let known: Vec<_> = ROUTES.iter().map(|row| row.name).collect();
                format!("`{name}` is no route: expected {}", known.join(", "))
            })?;
            let weight = weight.parse().ok().filter(|weight| *weight <= MAX_WEIGHT);
            let weight = weight.ok_or_else(|| {
                format!("the weight of `{part}` is not a whole number of 0 to {MAX_WEIGHT}")
            })?;
            if weights[row.route as usize].replace(weight).is_some() {
                return Err(format!("`{name}` is named twice"));
            }
        }
        let weights = weights.map(Option::unwrap_or_default);
        match weights.iter().any(|weight| *weight > 0) {
            true => Ok(Self(weights)),
            false => Err(format!(
                "`{text}` asks for nothing: one weight must be above 0"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_its_own_row() {
        for (index, row) in ROUTES.iter().enumerate() {
            assert_eq!(row.route as usize, index, "{}", row.name);
        }
    }

    #[test]
    fn only_what_a_route_answers_when_all_is_well_is_expected() {
        let seen = [200, 201, 204, 302, 400, 404, 409, 422, 499, 500, 503, 504];
        for (route, expected) in [
            (Route::Orders, &[201, 409][..]),
            (Route::Catalogue, &[200]),
            (Route::Product, &[200]),
            (Route::UnknownProduct, &[404]),
            (Route::Order, &[200]),
            (Route::Hostile, &seen[..9]),
        ] {
            let is_expected = route.row().expected;
            let actual: Vec<_> = seen.into_iter().filter(|it| is_expected(*it)).collect();
            assert_eq!(actual, expected, "{}", route.row().name);
        }
    }

    #[test]
    fn a_mix_reads_back_as_it_is_shown() {
        let shown = Mix::default().to_string();
        assert_eq!(
            shown,
            "orders=6,catalogue=3,product=3,unknown-product=1,order=2"
        );
        assert_eq!(shown.parse(), Ok(Mix::default()));
        assert_eq!("orders=1,hostile=0".parse(), Ok(Mix::only(Route::Orders)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, named) in [
            ("orders", "`orders` is not ROUTE=WEIGHT"),
            ("carts=3", "`carts` is no route: expected orders, catalogue"),
            ("orders=six", "`orders=six` is not a whole number"),
            ("orders=-1", "`orders=-1` is not a whole number"),
            (
                "orders=1001",
                "`orders=1001` is not a whole number of 0 to 1000",
            ),
            ("orders=1,orders=2", "`orders` is named twice"),
            ("orders=0", "`orders=0` asks for nothing"),
            ("", "`` is not ROUTE=WEIGHT"),
        ] {
            let refused = text.parse::<Mix>().unwrap_err();
            assert!(refused.contains(named), "{text}: {refused}");
        }
    }

    #[test]
    fn routes_are_picked_by_their_weights() {
        let mix: Mix = "orders=6,order=3,hostile=1".parse().unwrap();
        let mut random = Random::new(3);
        let mut picked = [0; ROUTES.len()];
        for _ in 0..10_000 {
            picked[mix.pick(&mut random) as usize] += 1;
        }
        assert!(
            (5_800..6_200).contains(&picked[Route::Orders as usize]),
            "{picked:?}"
        );
        assert!(
            (2_800..3_200).contains(&picked[Route::Order as usize]),
            "{picked:?}"
        );
        assert!(
            (850..1_150).contains(&picked[Route::Hostile as usize]),
            "{picked:?}"
        );
        assert_eq!(picked.iter().sum::<i32>(), 10_000);
        assert_eq!(picked[Route::Catalogue as usize], 0);
    }

    #[test]
    fn hostile_requests_come_on_top_and_keep_a_weight_of_their_own() {
        let hostile = |mix: Mix| mix.with_hostile().0[Route::Hostile as usize];
        assert_eq!(hostile(Mix::default()), HOSTILE_WEIGHT);
        assert_eq!(hostile("orders=1,hostile=9".parse().unwrap()), 9);
    }
}
