//! Hostile input: numbers, text, injected statements, times.

use std::collections::BTreeSet;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::percent_encoded;
use crate::{
    cases,
    harness::{
        app::App,
        backend::Backend,
        case::Case,
        client::{ALEX, BREAD, MILK, TestResponse},
        database::TestDatabase,
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        out_of_range_numbers_are_refused_with_their_pointer,
        text_is_returned_byte_for_byte,
        injected_statements_are_stored_as_text,
        time_zones_of_server_and_database_do_not_change_responses,
    ];
    cases.extend(cases![SQLITE; invalid_utf8_is_refused]);
    cases
}

async fn out_of_range_numbers_are_refused_with_their_pointer(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let send = async |method: &str, path: &str, body: String| {
        let request = app.client.request(method, path).header(CONTENT_TYPE, "application/json");
        TestResponse::of(request.body(body)).await
    };
    for number in [
        "0",
        "-0",
        "-1",
        "0.5",
        "1.0000001",
        "-9223372036854775808",
        "-9223372036854775809",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551617",
        "1e19",
        "1e308",
        "-1e-308",
        "null",
        "true",
        "\"1\"",
        "[1]",
        "{}",
    ] {
        let order = |customer: &str, item: &str, quantity: &str| {
            format!(
                r#"{{"customer_id":{customer},"items":[{{"id":{item},"quantity":{quantity}}}]}}"#
            )
        };
        for (body, pointer) in [
            (order(number, "1", "1"), "/customer_id"),
            (order("1", number, "1"), "/items/0/id"),
            (order("1", "1", number), "/items/0/quantity"),
        ] {
            send("POST", "/api/v1/orders", body.clone()).await.assert_field_errors(422, &[pointer]);
            send("POST", "/api/add_new_order", body).await.assert_field_errors(400, &[pointer]);
        }
    }
    for (path, name, numbers) in [
        ("/api/v1/orders", "quantity", &["2147483648", "4294967297", "9223372036854775807"][..]),
        ("/api/v1/items/1", "price", &["-0.01", "0.001", "1e13", "9999999999999.995", "1e308"]),
        ("/api/v1/customers/1", "post_code", &["-1", "2147483648", "4294967297", "1e10", "0.5"]),
    ] {
        for number in numbers {
            let (method, body, pointer) = match name {
                "quantity" => (
                    "POST",
                    format!(r#"{{"customer_id":1,"items":[{{"id":1,"quantity":{number}}}]}}"#),
                    "/items/0/quantity",
                ),
                "price" => ("PATCH", format!(r#"{{"price":{number}}}"#), "/price"),
                _ => (
                    "PATCH",
                    format!(r#"{{"address":{{"post_code":{number}}}}}"#),
                    "/address/post_code",
                ),
            };
            send(method, path, body).await.assert_field_errors(422, &[pointer]);
        }
    }
    for id in ["0", "-1", "9223372036854775807", "9223372036854775808", "-99999999999999999999"] {
        for path in ["orders", "items", "customers"] {
            app.client.get(&format!("/api/v1/{path}/{id}")).await.assert_problem(404);
        }
        app.client.get(&format!("/api/order_total/{id}")).await.assert_problem(404);
    }
    for query in ["limit=18446744073709551616", "limit=1e1", "customer_id=9223372036854775808"] {
        app.client.get(&format!("/api/v1/orders?{query}")).await.assert_problem(400);
    }

    // The total in cents exceeds 64 bits.
    let expensive = json!({"price": 9_999_999_999_999.99});
    app.client.patch("/api/v1/items/1", &expensive).await.assert_status(200);
    app.client
        .place_order(ALEX, &[(MILK, i32::MAX.into())])
        .await
        .assert_field_errors(400, &["/items"]);
    assert_eq!((db.count("orders").await, db.count("order_items").await), (3, 5));
}

async fn text_is_returned_byte_for_byte(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let customer =
        |name: &str| json!({"name": name, "address": {"flat_number": 1, "post_code": 1}});
    // Some of these look alike but are different.
    let names = [
        "é".to_owned(),
        "e\u{301}".to_owned(),
        "É".to_owned(),
        format!("e{}", "\u{301}".repeat(199)),
        "\u{202e}cilA\u{202c} \u{2066}\u{5d0}\u{5d1}\u{2069}".to_owned(),
        "👩\u{200d}👩\u{200d}👧\u{200d}👦 🇮🇳".to_owned(),
        "🦀".repeat(200),
        "a\u{2028}b\u{a0}c\u{feff}d".to_owned(),
        "\u{ffff}\u{10ffff}\u{e000}".to_owned(),
        "İı ßẞ ǆ Å\u{212b}".to_owned(),
        "\u{200b}x".to_owned(),
    ];
    for name in &names {
        let created = app.client.post("/api/v1/customers", &customer(name)).await;
        assert_eq!(created.assert_status(201).json()["name"], *name);
        assert_eq!(app.client.get_json(created.header("location")).await["name"], *name);
    }
    for name in &names {
        let list = format!("/api/v1/customers?limit=100&name={}", percent_encoded(name));
        let found = app.client.get_json(&list).await;
        let found = found["data"].as_array().unwrap().iter().map(|row| row["name"].clone());
        let expected = names.iter().filter(|other| other.starts_with(name.as_str()));
        let expected: Vec<_> = expected.map(|name| json!(name)).collect();
        assert_eq!(
            found.collect::<Vec<_>>(),
            expected,
            "customers whose names start with {name:?}"
        );
    }
    let export = app.client.get("/api/v1/customers/export").await;
    let exported = export.body.lines().skip(3).map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["name"].as_str().unwrap().to_owned()
    });
    assert_eq!(exported.collect::<Vec<_>>(), names);

    for name in [
        "\u{301}".repeat(10_000),
        "a\u{0}".to_owned(),
        "a\u{85}b".to_owned(),
        "\u{7f}".to_owned(),
        "\u{200b}".to_owned(),
        "\u{2060}\u{feff}\u{3164}".to_owned(),
    ] {
        let refused = app.client.post("/api/v1/customers", &customer(&name)).await;
        refused.assert_field_errors(422, &["/name"]);
    }
    let long = "🦀".repeat(2000);
    let item = json!({"name": "x", "price": 1, "description": long});
    let created = app.client.post("/api/v1/items", &item).await;
    assert_eq!(created.assert_status(201).json()["description"], long);
    assert_eq!(app.client.get_json(created.header("location")).await["description"], long);
}

async fn invalid_utf8_is_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for name in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        br"\udc00",
        br"\ud800x",
        br"\u00zz",
        b"\t",
    ] {
        let body = [br#"{"name": ""#, name, br#"", "price": 1}"#].concat();
        let request = app.client.request("POST", "/api/v1/items");
        let response =
            TestResponse::of(request.header(CONTENT_TYPE, "application/json").body(body));
        response.await.assert_problem(400);
    }
    for path in ["/api/v1/items/%ff", "/api/v1/items?name=%00", "/api/v1/orders?sort=%ff"] {
        app.client.get(path).await.assert_problem(400);
    }
    assert_eq!(db.count("item").await, 4);
}

/// Typical injection payloads. All of them are valid names.
const PAYLOADS: [&str; 30] = [
    "'",
    "''",
    "\"",
    "\\",
    "\\'",
    "`",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "') OR ('1'='1' --",
    "'; DROP TABLE order_items; --",
    "\\'; DROP TABLE order_items; --",
    "1; DELETE FROM orders",
    "1 OR 1=1",
    "1/**/UNION/**/SELECT/**/NULL",
    "' AND pg_sleep(30) --",
    "' AND SLEEP(30) AND '",
    "%",
    "_",
    "%27%20OR%201=1",
    "!%",
    "?",
    "?1",
    "$1",
    ":id",
    "NULL",
    "${jndi:ldap://127.0.0.1/x}",
    "{{7*7}}",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
];

async fn injected_statements_are_stored_as_text(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let client = &app.client;
    let mut placed = 0;
    for payload in PAYLOADS {
        let item = json!({"name": payload, "price": 1, "description": payload});
        let created = client.post("/api/v1/items", &item).await;
        created.assert_status(201);
        let path = created.header("location").to_owned();
        client.patch(&path, &json!({"description": format!("{payload}{payload}")})).await;
        let stored = client.get_json(&path).await;
        assert_eq!(stored["name"], payload);
        assert_eq!(stored["description"], format!("{payload}{payload}"));
        let customer = json!({"name": payload, "address": {"flat_number": 1, "post_code": 1}});
        client.post("/api/v1/customers", &customer).await.assert_status(201);

        let text = percent_encoded(payload);
        for path in [
            format!("/api/v1/items?sort={text}"),
            format!("/api/v1/items?sort=-{text}"),
            format!("/api/v1/items?sort=name{text}"),
            format!("/api/v1/items?cursor={text}"),
            format!("/api/v1/items?limit=1{text}"),
            format!("/api/v1/items?{text}=1"),
            format!("/api/v1/orders?expand=customer{text}"),
            format!("/api/v1/orders?customer_id=1{text}"),
            format!("/api/v1/orders?placed_from=2024-01-01{text}"),
            format!("/api/v1/orders?placed_before={text}"),
            format!("/api/v1/reports/revenue?from=2024-01-01&to=2024-02-01&by={text}"),
            format!("/api/v1/reports/best-sellers?from={text}&to=2024-02-01"),
            format!("/api/orders_total?orders=1,{text}"),
            format!("/api/orders_between_dates/2024-03-22/{text}"),
        ] {
            client.get(&path).await.assert_problem(400);
        }
        for path in ["/api/v1/orders/", "/api/v1/items/", "/api/orders/", "/api/order_total/"] {
            let response = client.get(&format!("{path}{text}")).await;
            response.assert_problem(if payload.contains('/') {
                response.status.as_u16()
            } else {
                400
            });
            assert!(response.status.is_client_error(), "{response:?}");
        }
        let order = json!({"customer_id": ALEX, "items": [{"id": BREAD, "quantity": 1}]});
        let keyed = client.request("POST", "/api/v1/orders").header("idempotency-key", payload);
        let response = TestResponse::of(keyed.json(&order)).await;
        if payload.contains(' ') {
            response.assert_problem(400);
        } else {
            response.assert_status(201);
            assert_eq!(response.header("idempotency-replayed"), "", "{payload} is another key");
            placed += 1;
        }
    }
    for list in ["items", "customers"] {
        for payload in PAYLOADS {
            let path = format!("/api/v1/{list}?limit=100&name={}", percent_encoded(payload));
            let found = client.get_json(&path).await;
            let found = found["data"].as_array().unwrap().iter();
            let found: BTreeSet<_> = found.map(|row| row["name"].as_str().unwrap()).collect();
            let expected = PAYLOADS.into_iter().filter(|other| other.starts_with(payload));
            let expected: BTreeSet<_> = expected.collect();
            assert_eq!(found, expected, "{list} that start with {payload}");
        }
    }
    let more = i64::try_from(PAYLOADS.len()).unwrap();
    assert_eq!((db.count("item").await, db.count("customer").await), (4 + more, 3 + more));
    assert_eq!((db.count("orders").await, db.count("order_items").await), (3 + placed, 5 + placed));
    assert_eq!(client.get_json("/api/order_total/1").await, json!({"Order Total": 30}));
}

/// Orders placed through servers in different time zones are sorted by the time of placement.
async fn time_zones_of_server_and_database_do_not_change_responses(db: &TestDatabase) {
    let here = db.serve_demo().await;
    if db.backend == Backend::Postgres {
        let name = db.url.rsplit_once('/').unwrap().1;
        let set = format!("ALTER DATABASE {name} SET timezone = 'America/St_Johns'");
        db.execute(&set).await.unwrap();
    }
    let there = App::start_with(&db.url, &[], &[("TZ", "Asia/Kolkata")]).await;
    let mut times = Vec::new();
    for app in [&here, &there, &here, &there] {
        let placed = app.client.place_order(ALEX, &[(BREAD, 1)]).await;
        times.push(placed.assert_status(201).json()["order_time"].as_str().unwrap().to_owned());
    }
    assert!(times.is_sorted(), "{times:?}");
    let [first, last] = [&times[0], &times[3]];
    for path in [
        format!("/api/orders_between_dates/{last}/{first}"),
        format!("/api/v1/orders?placed_from={first}&sort=-order_time"),
        "/api/v1/reports/revenue?from=2024-03-01&to=2024-04-01&by=day".to_owned(),
        "/api/v1/orders/export".to_owned(),
    ] {
        let (one, other) = (here.client.get(&path).await, there.client.get(&path).await);
        assert_eq!(one.assert_status(200).body, other.body, "{path}");
    }
    let found = there.client.get_json(&format!("/api/orders_between_dates/{last}/{first}")).await;
    assert_eq!(found.as_array().map(Vec::len), Some(4));
    for (day, status) in [("2024-02-29", 200), ("2000-02-29", 200), ("2023-02-29", 400)] {
        let path = format!("/api/orders_between_dates/{day}/0001-01-01");
        there.client.get(&path).await.assert_status(status);
    }
}
