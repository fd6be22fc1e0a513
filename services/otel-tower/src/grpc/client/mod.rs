mod call;
mod deadline;
mod layer;
mod service;
mod timeout;

pub use deadline::{DeadlineBody, DeadlineFuture};
pub use layer::ClientLayer;
pub use service::Client;
