//! What is asked for, and how often: the one table of routes.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// A kind of request, counted and reported on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Orders,
    Catalogue,
    Product,
    UnknownProduct,
    Order,
    Scenario,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    pub route: Route,
    /// In `--mix` and in the report.
    pub name: &'static str,
    /// Of the default mix.
    pub weight: u32,
    /// Every other answer is counted as unexpected.
    pub expected: fn(u16) -> bool,
}

/// In the order of [`Route`] and of the report.
pub const ROUTES: [Row; 6] = [
    // Out of stock is an expected outcome of the shop; the report shows how often it was one here.
    row(Route::Orders, "orders", 6, |it| matches!(it, 201 | 409)),
    row(Route::Catalogue, "catalogue", 3, |it| it == 200),
    row(Route::Product, "product", 3, |it| it == 200),
    row(Route::UnknownProduct, "unknown-product", 1, |it| it == 404),
    row(Route::Order, "order", 2, |it| it == 200),
    // Two of the scenarios are errors.
    row(Route::Scenario, "scenario", 0, |it| {
        matches!(it, 201 | 409 | 502 | 504)
    }),
];

const fn row(route: Route, name: &'static str, weight: u32, expected: fn(u16) -> bool) -> Row {
    Row {
        route,
        name,
        weight,
        expected,
    }
}

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

    #[must_use]
    pub fn has(&self, route: Route) -> bool {
        self.0[route as usize] > 0
    }

    /// Whether some route orders products or asks for them by their ids.
    #[must_use]
    pub fn needs_products(&self) -> bool {
        [Route::Orders, Route::Product, Route::Order]
            .into_iter()
            .any(|route| self.has(route))
    }

    pub fn pick(&self, random: &mut Rng) -> Route {
        let total: u32 = self.0.iter().sum();
        let mut left = random.u32(0..total.max(1));
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
    fn a_mix_is_parsed_as_it_is_shown_and_what_cannot_be_parsed_is_named() {
        let shown = Mix::default().to_string();
        assert_eq!(
            shown,
            "orders=6,catalogue=3,product=3,unknown-product=1,order=2"
        );
        assert_eq!(shown.parse(), Ok(Mix::default()));
        assert_eq!("orders=1,scenario=0".parse(), Ok(Mix::only(Route::Orders)));
        for (text, named) in [
            ("orders", "`orders` is not ROUTE=WEIGHT"),
            ("carts=3", "`carts` is no route: expected orders, catalogue"),
            ("orders=-1", "`orders=-1` is not a whole number"),
            ("orders=1001", "whole number of 0 to 1000"),
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
        let mix: Mix = "orders=6,order=3,scenario=1".parse().unwrap();
        let mut random = Rng::with_seed(3);
        let mut picked = [0; ROUTES.len()];
        for _ in 0..10_000 {
            picked[mix.pick(&mut random) as usize] += 1;
        }
        for (route, expected) in [
            (Route::Orders, 5_800..6_200),
            (Route::Order, 2_800..3_200),
            (Route::Scenario, 850..1_150),
            (Route::Catalogue, 0..1),
        ] {
            assert!(expected.contains(&picked[route as usize]), "{picked:?}");
        }
    }
}
