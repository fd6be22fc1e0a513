//! The two services that order asks: instrumented, each call with its deadline.

mod inventory;
mod product;

pub(crate) use inventory::{Inventory, Reserved, Shortage};
pub(crate) use product::Products;
