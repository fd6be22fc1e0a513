mod call;
mod class;
mod layer;
mod service;

pub use layer::ClientLayer;
pub use service::{Client, UrlTemplate};
