//! What matchers of all three signals share.

use std::fmt;

use super::Mismatch;
use super::mismatch::NearMiss;
use crate::model::{Attributes, Log, Point, Span, Value};
use crate::poll::poll;

/// Finds items of one signal by conditions, and lists the nearest misses when there is none.
///
/// Made by [`Sink::span`](crate::Sink::span), [`Sink::metric`](crate::Sink::metric) and
/// [`Sink::log`](crate::Sink::log), or over any items by [`Matcher::over`].
///
/// Every terminal method looks at the items anew, so that one matcher can be asked again and again by
/// [`poll`](crate::poll()).
#[must_use = "a matcher checks nothing before it is asked: end with find, expect, eventually or none"]
pub struct Matcher<T> {
    subject: String,
    source: Box<dyn Fn() -> Vec<T>>,
    conditions: Vec<Condition<T>>,
}

struct Condition<T> {
    wanted: String,
    holds: Check<T>,
}

/// `Err` says what is there instead.
type Check<T> = Box<dyn Fn(&T) -> Result<(), String>>;

/// What any matched item has. Implemented by [`Span`], [`Point`] and [`Log`].
pub trait Item: Clone {
    fn title(&self) -> String;
    fn attributes(&self) -> &Attributes;
    fn resource(&self) -> &Attributes;
}

macro_rules! item {
    ($type:ty, |$item:ident| $title:expr) => {
        impl Item for $type {
            fn title(&self) -> String {
                let $item = self;
                $title
            }

            fn attributes(&self) -> &Attributes {
                &self.attributes
            }

            fn resource(&self) -> &Attributes {
                &self.resource
            }
        }
    };
}

item!(Span, |span| format!("{} {}", span.kind, span.name));
item!(Point, |point| format!(
    "{:?} {} ({})",
    point.kind, point.name, point.unit
));
item!(Log, |log| {
    let event = log.event().unwrap_or("(no event name)");
    format!("{} {event} {}", log.severity, log.body)
});

impl<T: Item + 'static> Matcher<T> {
    /// A matcher over whatever `source` answers each time it is asked.
    pub fn over(subject: &str, source: impl Fn() -> Vec<T> + 'static) -> Self {
        Self {
            subject: subject.to_owned(),
            source: Box::new(source),
            conditions: Vec::new(),
        }
    }

    /// An attribute with that value and type.
    pub fn attribute(self, key: &str, value: impl Into<Value>) -> Self {
        self.pair("", T::attributes, key, value.into())
    }

    /// An attribute of that name, whatever its value.
    pub fn has_attribute(self, key: &str) -> Self {
        let wanted = key.to_owned();
        self.check(&format!("{key} present"), move |item| {
            let value = item.attributes().get(&wanted);
            value.map(drop).ok_or_else(|| "absent".to_owned())
        })
    }

    /// No attribute of that name.
    pub fn without_attribute(self, key: &str) -> Self {
        let unwanted = key.to_owned();
        self.check(&format!("{key} absent"), move |item| {
            let value = item.attributes().get(&unwanted);
            value.map_or(Ok(()), |value| Err(value.to_string()))
        })
    }

    /// A resource attribute with that value and type.
    pub fn resource(self, key: &str, value: impl Into<Value>) -> Self {
        self.pair("resource ", T::resource, key, value.into())
    }

    /// Sent by that service.
    pub fn service(self, name: &str) -> Self {
        self.resource("service.name", name)
    }

    /// Any other condition: `Err` says what is there instead of what was `wanted`.
    pub fn check(
        mut self,
        wanted: &str,
        holds: impl Fn(&T) -> Result<(), String> + 'static,
    ) -> Self {
        self.conditions.push(Condition {
            wanted: wanted.to_owned(),
            holds: Box::new(holds),
        });
        self
    }

    /// All items that meet every condition, possibly none.
    pub fn matching(&self) -> Vec<T> {
        let mut items = (self.source)();
        items.retain(|item| self.misses(item).is_empty());
        items
    }

    /// All items that meet every condition; the nearest misses if there is none.
    pub fn all(&self) -> Result<Vec<T>, Mismatch> {
        match self.matching() {
            found if found.is_empty() => Err(self.mismatch("nothing matches")),
            found => Ok(found),
        }
    }

    /// The first item that meets every condition; the nearest misses if there is none.
    pub fn find(&self) -> Result<T, Mismatch> {
        self.all().map(|mut found| found.swap_remove(0))
    }

    /// [`find`](Self::find) that panics with the mismatch.
    #[track_caller]
    pub fn expect(&self) -> T {
        self.find().unwrap_or_else(|mismatch| panic!("{mismatch}"))
    }

    /// [`find`](Self::find) that waits. Blocks the thread, see [`poll`](crate::poll()).
    #[track_caller]
    pub fn eventually(&self) -> T {
        poll(&self.subject, || self.find())
    }

    /// Panics when something meets every condition.
    #[track_caller]
    pub fn none(&self) {
        let found = self.matching();
        if let Some(first) = found.first() {
            panic!(
                "expected no {}, found {}, the first is {} {{{}}}",
                self.describe(),
                found.len(),
                first.title(),
                first.attributes()
            );
        }
    }

    pub(super) fn mismatch(&self, why: &str) -> Mismatch {
        let items = (self.source)();
        let near = items.iter().map(|item| NearMiss {
            title: item.title(),
            service: item.resource().text("service.name").map(str::to_owned),
            attributes: item.attributes().to_string(),
            misses: self.misses(item),
        });
        Mismatch::new(
            format!("{why}: {}", self.describe()),
            items.len(),
            near.collect(),
        )
    }

    fn describe(&self) -> String {
        let conditions: Vec<_> = self.conditions.iter().map(|c| c.wanted.as_str()).collect();
        format!("{} with {}", self.subject, conditions.join(", "))
    }

    fn misses(&self, item: &T) -> Vec<String> {
        let miss = |c: &Condition<T>| {
            let instead = (c.holds)(item).err()?;
            Some(format!("{}, but it is {instead}", c.wanted))
        };
        self.conditions.iter().filter_map(miss).collect()
    }

    fn pair(self, place: &str, of: fn(&T) -> &Attributes, key: &str, value: Value) -> Self {
        let wanted_key = key.to_owned();
        self.check(&format!("{place}{key}={value}"), move |item| {
            match of(item).get(&wanted_key) {
                Some(there) if *there == value => Ok(()),
                Some(there) => Err(there.to_string()),
                None => Err("absent".to_owned()),
            }
        })
    }

    /// A condition on one field.
    pub(super) fn is<V>(self, wanted: &str, value: V, field: fn(&T) -> V) -> Self
    where
        V: PartialEq + fmt::Debug + 'static,
    {
        self.check(wanted, move |item| match field(item) {
            there if there == value => Ok(()),
            there => Err(format!("{there:?}")),
        })
    }
}

impl<T> fmt::Debug for Matcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions = self.conditions.iter().map(|c| &c.wanted);
        f.write_str(&self.subject)?;
        f.debug_list().entries(conditions).finish()
    }
}
