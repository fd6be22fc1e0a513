-- The same ids as in product/migrations/0002_seed.sql: what is in stock must be sold. A test of inventory compares the two.
-- One product is scarce, so that running out can be seen.
INSERT INTO stock (product_id, available) VALUES
    ('p-1001', 1000000),
    ('p-1002', 1000000),
    ('p-1003', 1000000),
    ('p-1004', 1000000),
    ('p-1005', 1000000),
    ('p-1006', 1000000),
    ('p-1007', 1000000),
    ('p-1008', 1000000),
    ('p-1009', 1000000),
    ('p-1010', 1000000),
    ('p-1011', 1000000),
    ('p-1012', 10);
