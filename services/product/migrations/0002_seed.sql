-- The same ids as in inventory/migrations/0002_seed.sql: what is sold must be in stock. A test of inventory compares the two.
INSERT INTO products (id, name, description, price, currency) VALUES
    ('p-1001', 'Espresso machine', 'Two boilers, one group, nine bar.', 64900, 'EUR'),
    ('p-1002', 'Coffee grinder', 'Flat steel burrs, forty settings, quiet.', 18900, 'EUR'),
    ('p-1003', 'Gooseneck kettle', 'One litre, holds its temperature to the degree.', 7950, 'EUR'),
    ('p-1004', 'Pour-over dripper', 'Porcelain, for one to four cups.', 2450, 'EUR'),
    ('p-1005', 'Paper filters', 'One hundred, unbleached.', 590, 'EUR'),
    ('p-1006', 'Digital scale', 'To a tenth of a gram, with a timer.', 3990, 'EUR'),
    ('p-1007', 'Milk jug', 'Stainless steel, 350 ml.', 1999, 'EUR'),
    ('p-1008', 'Tamper', 'Ash handle, 58 mm.', 2790, 'EUR'),
    ('p-1009', 'Cold brew bottle', 'Glass with a fine mesh, 750 ml.', 2290, 'EUR'),
    ('p-1010', 'House blend', 'Whole beans, 1 kg: chocolate and hazelnut.', 2190, 'EUR'),
    ('p-1011', 'Yirgacheffe', 'Whole beans, 250 g: bergamot and apricot.', 1290, 'EUR'),
    ('p-1012', 'Roastery anniversary cup', 'Thrown by hand, numbered. There are ten.', 4900, 'EUR');
