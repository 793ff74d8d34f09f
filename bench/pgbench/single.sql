\set id random(1, :n)
SELECT o.id, o.order_time, c.id, c.name, a.flat_number, a.post_code, i.id, i.name, l.quantity, l.unit_price_cents, i.price_cents, i.description FROM orders o JOIN customer c ON c.id = o.customer_id JOIN address a ON a.id = c.address_id LEFT JOIN order_items l ON l.order_id = o.id LEFT JOIN item i ON i.id = l.item_id WHERE o.id = :id ORDER BY l.item_id;
