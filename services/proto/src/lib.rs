//! The wire contracts of inventory and order, generated from their `.proto` files.
//!
//! The `.proto` files carry the documentation of each call: what it answers, and which status means what.
//! `METHODS` are the full method names of a service, as instrumentation and span names use them.

/// `shop.inventory`: stock levels and reservations.
pub mod inventory {
    /// Version 1.
    pub mod v1 {
        pub use crate::generated::inventory::*;

        /// Full names of the methods of `InventoryService`.
        pub const METHODS: &[&str] = &[
            "shop.inventory.v1.InventoryService/GetStock",
            "shop.inventory.v1.InventoryService/Reserve",
            "shop.inventory.v1.InventoryService/Release",
            "shop.inventory.v1.InventoryService/Confirm",
        ];
    }
}

/// `shop.order`: orders.
pub mod order {
    /// Version 1.
    pub mod v1 {
        pub use crate::generated::order::*;

        /// Full names of the methods of `OrderService`.
        pub const METHODS: &[&str] = &[
            "shop.order.v1.OrderService/PlaceOrder",
            "shop.order.v1.OrderService/GetOrder",
        ];
    }
}

#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    reason = "written by tonic-prost-build"
)]
mod generated {
    pub(crate) mod inventory {
        tonic::include_proto!("shop.inventory.v1");
    }

    pub(crate) mod order {
        tonic::include_proto!("shop.order.v1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

    /// The methods that the `.proto` files declare in a package.
    fn declared(package: &str) -> Vec<String> {
        FileDescriptorSet::decode(DESCRIPTORS)
            .unwrap()
            .file
            .iter()
            .filter(|file| file.package() == package)
            .flat_map(|file| &file.service)
            .flat_map(|service| {
                service
                    .method
                    .iter()
                    .map(|method| format!("{package}.{}/{}", service.name(), method.name()))
            })
            .collect()
    }

    #[test]
    fn the_method_names_are_those_of_the_proto_files() {
        assert_eq!(declared("shop.inventory.v1"), inventory::v1::METHODS);
        assert_eq!(declared("shop.order.v1"), order::v1::METHODS);
    }
}
