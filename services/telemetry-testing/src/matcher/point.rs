//! Conditions on metrics, and sums over the series that meet them.

use super::core::{Item, same};
use super::{Matcher, Mismatch};
use crate::model::{Attributes, Point, PointKind};

impl Item for Point {
    fn title(&self) -> String {
        format!("{:?} {} ({})", self.kind, self.name, self.unit)
    }

    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn resource(&self) -> &Attributes {
        &self.resource
    }
}

impl Matcher<Point> {
    /// Of the metric of that name.
    pub fn name(self, name: &str) -> Self {
        let name = name.to_owned();
        self.check(&format!("name {name:?}"), move |point| {
            same(&name, &point.name)
        })
    }

    /// With that unit.
    pub fn unit(self, unit: &str) -> Self {
        let unit = unit.to_owned();
        self.check(&format!("unit {unit:?}"), move |point| {
            same(&unit, &point.unit)
        })
    }

    /// Of that kind.
    pub fn kind(self, kind: PointKind) -> Self {
        self.check(&format!("kind {kind:?}"), move |point| {
            same(&kind, &point.kind)
        })
    }

    /// The newest values of all matching series, summed; for histograms the number of recorded values.
    ///
    /// # Errors
    /// When no series matches.
    pub fn total(&self) -> Result<f64, Mismatch> {
        Ok(self.all()?.iter().map(Point::value).sum())
    }

    /// The sums of all matching histograms, summed.
    ///
    /// # Errors
    /// When no series matches.
    pub fn total_sum(&self) -> Result<f64, Mismatch> {
        Ok(self.all()?.iter().map(Point::sum).sum())
    }

    /// Succeeds when [`total`](Self::total) is `wanted`; made for [`poll`](crate::poll()).
    ///
    /// # Errors
    /// When no series matches, or their total is another.
    pub fn total_is(&self, wanted: f64) -> Result<(), Mismatch> {
        let total = self.total()?;
        if total == wanted {
            Ok(())
        } else {
            Err(self.mismatch(&format!("the total is {total}, not {wanted}")))
        }
    }
}
