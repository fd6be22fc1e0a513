//! Why nothing matched.

use std::fmt;

const SHOWN: usize = 5;

/// No item met all conditions: which came near, and what they lacked. `Debug` reads like `Display`.
pub struct Mismatch {
    wanted: String,
    looked_at: usize,
    /// Nearest first, those of a kind once.
    near: Vec<(NearMiss, usize)>,
}

#[derive(PartialEq)]
pub(super) struct NearMiss {
    pub(super) title: String,
    pub(super) service: Option<String>,
    pub(super) attributes: String,
    pub(super) misses: Vec<String>,
}

impl Mismatch {
    pub(super) fn new(wanted: String, looked_at: usize, mut all: Vec<NearMiss>) -> Self {
        all.sort_by_key(|near| near.misses.len());
        let mut near: Vec<(NearMiss, usize)> = Vec::new();
        for miss in all {
            if let Some((_, times)) = near.iter_mut().find(|(same, _)| *same == miss) {
                *times += 1;
            } else if near.len() < SHOWN {
                near.push((miss, 1));
            }
        }
        Self {
            wanted,
            looked_at,
            near,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wanted)?;
        if self.looked_at == 0 {
            return write!(f, "\n  nothing of the kind has arrived at all");
        }
        write!(f, "\n  looked at {}, nearest first:", self.looked_at)?;
        for (near, times) in &self.near {
            let service = near.service.as_deref().unwrap_or_default();
            write!(f, "\n  - {} [{service}]", near.title)?;
            if *times > 1 {
                write!(f, " ({times} times)")?;
            }
            write!(f, " {{{}}}", near.attributes)?;
            for miss in &near.misses {
                write!(f, "\n      wanted {miss}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Mismatch {}
