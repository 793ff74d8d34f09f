\set id random(0, 5000)
SELECT o.id, o.customer_id, o.order_time, i.id, i.name, l.quantity, l.unit_price_cents FROM (SELECT id, customer_id, order_time FROM orders WHERE id > :id ORDER BY id LIMIT 51) o LEFT JOIN order_items l ON l.order_id = o.id LEFT JOIN item i ON i.id = l.item_id ORDER BY o.id, l.item_id;
