//! SQL statements that SQLite and PostgreSQL share. Statements that differ are defined where they are used.

/// Page of customers after an id, with their addresses.
pub const CUSTOMERS: &str = "
    SELECT c.id, c.name, a.flat_number, a.post_code
    FROM customer c
    JOIN address a ON a.id = c.address_id
    WHERE c.id > $1
    ORDER BY c.id
    LIMIT 500";

/// Page size of [`CUSTOMERS`].
pub const CUSTOMERS_LIMIT: usize = 500;

/// Page of a customer's orders after an id, one row per line.
pub const ORDERS_OF_CUSTOMER: &str = "
    SELECT o.id, o.order_time, c.name, i.name, l.quantity, l.unit_price_cents
    FROM (
        SELECT id, customer_id, order_time
        FROM orders
        WHERE customer_id = $1 AND id > $2
        ORDER BY id
        LIMIT 100
    ) o
    JOIN customer c ON c.id = o.customer_id
    LEFT JOIN order_items l ON l.order_id = o.id
    LEFT JOIN item i ON i.id = l.item_id
    ORDER BY o.id, l.item_id";

/// Page of the orders up to a time, after a time and an id, one row per line.
pub const ORDERS_BETWEEN: &str = "
    SELECT o.id, o.order_time, c.name, i.name, l.quantity, l.unit_price_cents
    FROM (
        SELECT id, customer_id, order_time
        FROM orders
        WHERE order_time <= $1 AND (order_time, id) > ($2, $3)
        ORDER BY order_time, id
        LIMIT 100
    ) o
    JOIN customer c ON c.id = o.customer_id
    LEFT JOIN order_items l ON l.order_id = o.id
    LEFT JOIN item i ON i.id = l.item_id
    ORDER BY o.order_time, o.id, l.item_id";

/// Page size of [`ORDERS_OF_CUSTOMER`] and [`ORDERS_BETWEEN`].
pub const ORDERS_LIMIT: usize = 100;

/// Total of an order; no row for an unknown order. The cast is for PostgreSQL, where the sum of a BIGINT is
/// NUMERIC.
pub const ORDER_TOTAL: &str = "
    SELECT CAST(COALESCE(SUM(l.unit_price_cents * l.quantity), 0) AS BIGINT)
    FROM orders o
    LEFT JOIN order_items l ON l.order_id = o.id
    WHERE o.id = $1
    GROUP BY o.id";

/// Page of orders after an id, without their lines.
pub const ORDER_HEADERS: &str = "
    SELECT id, customer_id, order_time
    FROM orders
    WHERE id > $1
    ORDER BY id
    LIMIT $2";

/// Order with its customer and address.
pub const ORDER: &str = "
    SELECT o.id, o.order_time, c.id, c.name, a.flat_number, a.post_code
    FROM orders o
    JOIN customer c ON c.id = o.customer_id
    JOIN address a ON a.id = c.address_id
    WHERE o.id = $1";

/// Lines of an order with their items.
pub const LINES_OF_ORDER: &str = "
    SELECT i.id, i.name, l.quantity, l.unit_price_cents, i.price_cents, i.description
    FROM order_items l
    JOIN item i ON i.id = l.item_id
    WHERE l.order_id = $1
    ORDER BY l.item_id";

/// Existence of a customer.
pub const CUSTOMER_EXISTS: &str = "SELECT id FROM customer WHERE id = $1";

/// Insertion of an order without its lines.
pub const INSERT_ORDER: &str = "
    INSERT INTO orders (customer_id, order_time)
    VALUES ($1, $2)
    RETURNING id";
