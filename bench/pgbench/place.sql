\set customer random(1, 1000)
\set first random(1, 300)
\set second random(301, 600)
\set third random(601, 1000)
BEGIN;
SELECT id FROM customer WHERE id = :customer;
SELECT id, name, price_cents FROM item WHERE id IN (:first, :second, :third) ORDER BY id;
INSERT INTO orders (customer_id, order_time) VALUES (:customer, now() AT TIME ZONE 'UTC') RETURNING id AS placed \gset
INSERT INTO order_items (order_id, item_id, quantity, unit_price_cents) VALUES (:placed, :first, 1, 100), (:placed, :second, 2, 200), (:placed, :third, 3, 300);
COMMIT;
