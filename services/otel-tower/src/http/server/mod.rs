mod call;
mod layer;
mod service;

pub use layer::ServerLayer;
pub use service::Server;
