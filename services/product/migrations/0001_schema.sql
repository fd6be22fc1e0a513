CREATE TABLE products (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- Minor units of the currency.
    price INTEGER NOT NULL CHECK (price > 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3)
) STRICT, WITHOUT ROWID;
