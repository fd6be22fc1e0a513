//! Names of business spans: INTERNAL, made by `#[tracing::instrument]`.
//!
//! The spans at the edges take their names from what they carry: see the first table of `TELEMETRY.md`.

super::names! {
    /// gateway: one entry of the catalogue, product and inventory asked at the same time.
    CATALOGUE_JOIN = "catalogue.join";
    /// gateway: one order under a fault.
    SCENARIO_RUN = "scenario.run";
    /// order: all of `PlaceOrder`.
    ORDER_PLACE = "order.place";
    /// order: the price of every line, from product.
    ORDER_PRICE = "order.price";
    /// order: the stock of every line, from inventory.
    ORDER_RESERVE = "order.reserve";
    /// order: the order and its lines into the database.
    ORDER_STORE = "order.store";
    /// order: the reservation becomes final.
    ORDER_CONFIRM = "order.confirm";
    /// order: the reservation is given back, after a failure.
    ORDER_RELEASE = "order.release";
    /// product: one product by its id.
    PRODUCT_LOOKUP = "product.lookup";
    /// inventory: stock taken for an order.
    INVENTORY_RESERVE = "inventory.reserve";
    /// inventory: stock given back.
    INVENTORY_RELEASE = "inventory.release";
    /// inventory: a reservation made final.
    INVENTORY_CONFIRM = "inventory.confirm";
    /// inventory: reservations past their time given back.
    INVENTORY_SWEEP = "inventory.sweep";
}
