SELECT c.id, c.name, a.flat_number, a.post_code FROM customer c JOIN address a ON a.id = c.address_id WHERE c.id > 0 ORDER BY c.id LIMIT 500;
