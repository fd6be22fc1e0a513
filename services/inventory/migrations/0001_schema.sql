CREATE TABLE stock (
    product_id TEXT PRIMARY KEY,
    -- Units neither sold nor reserved. The check is the last guard against selling what is not there.
    available INTEGER NOT NULL CHECK (available >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
    order_id TEXT PRIMARY KEY,
    -- reserved:  holds stock until expires_at
    -- confirmed: holds stock for good
    -- released:  holds none and never will; without lines if the release came before the reservation
    -- expired:   holds none, but may take it again
    state TEXT NOT NULL CHECK (state IN ('reserved', 'confirmed', 'released', 'expired')),
    -- Unix time in milliseconds.
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The sweeper asks for these again and again; the rest of the table only grows.
CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'reserved';

CREATE TABLE reservation_lines (
    order_id TEXT NOT NULL REFERENCES reservations (order_id),
    product_id TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
) STRICT, WITHOUT ROWID;
