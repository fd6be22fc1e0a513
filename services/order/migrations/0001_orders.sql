-- Amounts are minor units; times are milliseconds since the Unix epoch.
CREATE TABLE orders (
    order_id        TEXT    NOT NULL PRIMARY KEY,
    -- Two orders without a key are two orders: NULLs do not collide in a UNIQUE column.
    idempotency_key TEXT    UNIQUE,
    state           TEXT    NOT NULL CHECK (state IN ('placed', 'confirmed', 'cancelled')),
    total           INTEGER NOT NULL CHECK (total >= 0),
    currency        TEXT    NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;

-- What the reconciler asks for; empty on a healthy system, so the index is too.
CREATE INDEX orders_unconfirmed ON orders (created_at) WHERE state = 'placed';

CREATE TABLE order_lines (
    order_id   TEXT    NOT NULL REFERENCES orders (order_id),
    product_id TEXT    NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_price INTEGER NOT NULL CHECK (unit_price >= 0),
    PRIMARY KEY (order_id, product_id)
) STRICT, WITHOUT ROWID;
