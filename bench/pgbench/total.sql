\set id random(1, :n)
SELECT CAST(COALESCE(SUM(l.unit_price_cents * l.quantity), 0) AS BIGINT) FROM orders o LEFT JOIN order_items l ON l.order_id = o.id WHERE o.id = :id GROUP BY o.id;
