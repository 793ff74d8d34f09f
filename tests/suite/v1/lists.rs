//! Lists: pages, filters, sort orders.

use serde_json::{Value, json};

use crate::{
    cases,
    harness::{case::Case, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        every_sort_order_lists_each_row_once,
        rows_inserted_while_paging_repeat_and_hide_no_row,
        filters_narrow_a_list,
        a_time_cursor_and_a_time_filter_both_apply,
        a_name_prefix_is_matched_literally,
        invalid_page_requests_are_refused,
    ]
}

async fn every_sort_order_lists_each_row_once(db: &TestDatabase) {
    db.generate(60, 40, 150, 3).await;
    // Many equal values, and names that locale-aware collations sort in another order.
    db.execute("UPDATE item SET price_cents = 100 * (id % 3)").await.unwrap();
    db.execute("UPDATE item SET name = 'same' WHERE id % 2 = 0").await.unwrap();
    db.execute("UPDATE customer SET name = 'Same' WHERE id % 3 = 0").await.unwrap();
    db.execute("UPDATE customer SET name = 'ärger' WHERE id % 5 = 0").await.unwrap();
    db.execute("UPDATE orders SET order_time = '2024-05-05 05:05:05' WHERE id % 2 = 0")
        .await
        .unwrap();
    let app = db.serve(&[]).await;
    for (list, sorts, rows) in [
        ("customers", &["id", "name"][..], 60_usize),
        ("items", &["id", "name", "price"], 40),
        ("orders", &["id", "order_time"], 150),
    ] {
        for sort in sorts {
            let (up, pages) = app.client.walk(&format!("/api/v1/{list}?limit=7&sort={sort}")).await;
            assert_eq!((up.len(), pages), (rows, rows.div_ceil(7)), "{list} by {sort}");
            let key = |row: &Value| (sortable(&row[*sort]), row["id"].as_i64().unwrap());
            assert!(up.iter().map(key).is_sorted_by(|a, b| a < b), "{list} by {sort}");
            let (mut down, _) =
                app.client.walk(&format!("/api/v1/{list}?limit=7&sort=-{sort}")).await;
            down.reverse();
            assert_eq!(down, up, "{list} by -{sort}");
        }
    }
    assert_eq!(app.client.get_json("/api/v1/orders").await["data"].as_array().unwrap().len(), 50);
}

/// Returns a sort key: text by code points, numbers by value.
fn sortable(value: &Value) -> (String, i64) {
    let cents = value.as_f64().map_or(0.0, |number| number * 100.0);
    #[expect(clippy::cast_possible_truncation, reason = "ids and prices are small")]
    (value.as_str().unwrap_or_default().to_owned(), cents.round() as i64)
}

async fn rows_inserted_while_paging_repeat_and_hide_no_row(db: &TestDatabase) {
    for sort in ["name", "-name", "-id", "price"] {
        db.run_ok(&["migrate", "fresh"]).await;
        db.generate(1, 30, 0, 3).await;
        let app = db.serve(&[]).await;
        let before = app.client.walk("/api/v1/items?limit=100").await.0;
        let list = format!("/api/v1/items?limit=4&sort={sort}");
        let (mut seen, mut path) = (Vec::new(), list.clone());
        // Rows inserted after the cursor are listed too, so the loop may not end on its own.
        while seen.len() < 100 {
            let page = app.client.get_json(&path).await;
            let rows = page["data"].as_array().unwrap();
            seen.extend(rows.iter().map(|item| item["id"].as_i64().unwrap()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{list}&cursor={cursor}");
            let end = rows.last().unwrap();
            for name in [json!("AAA"), end["name"].clone(), json!("zzz")] {
                let item = json!({"name": name, "price": end["price"]});
                app.client.post("/api/v1/items", &item).await.assert_status(201);
            }
        }
        let mut unique = seen.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), seen.len(), "{sort}");
        if seen.len() < 100 {
            let all = before.iter().all(|item| unique.contains(&item["id"].as_i64().unwrap()));
            assert!(all, "{sort}");
        }
    }
}

async fn filters_narrow_a_list(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (query, ids) in [
        ("customer_id=1", json!([1])),
        ("customer_id=99", json!([])),
        ("placed_from=2024-03-20T11:00:00Z", json!([2, 3])),
        ("placed_before=2024-03-20T11:00:00Z", json!([1])),
        ("placed_from=2024-03-18&placed_before=2024-03-25", json!([1, 2])),
        ("placed_from=2024-03-25T20:30:00%2B05:30", json!([3])),
        ("placed_from=2024-03-25&placed_before=2024-03-18", json!([])),
        ("customer_id=3&placed_from=2024-03-21", json!([])),
        ("sort=-order_time&limit=2", json!([3, 2])),
    ] {
        let orders = app.client.get_json(&format!("/api/v1/orders?{query}")).await;
        let found: Vec<_> =
            orders["data"].as_array().unwrap().iter().map(|o| o["id"].clone()).collect();
        assert_eq!(Value::Array(found), ids, "{query}");
    }
    let of_one = app.client.get_json("/api/v1/customers/3/orders").await;
    assert_eq!(of_one["data"][0]["id"], 2);
    let none = app.client.get("/api/v1/orders?customer_id=99").await;
    assert_eq!(none.body, r#"{"data":[],"next_cursor":null}"#);
    assert_eq!(none.header("link"), "");
}

/// In a list sorted by time, a filter and a cursor may bound the same end; the stricter bound applies.
async fn a_time_cursor_and_a_time_filter_both_apply(db: &TestDatabase) {
    db.generate(2, 5, 60, 1).await;
    let app = db.serve(&[]).await;
    let all = app.client.walk("/api/v1/orders?sort=order_time&limit=100").await.0;
    let time = |n: usize| all[n]["order_time"].as_str().unwrap().to_owned();
    for (sort, filter) in [
        ("order_time", format!("placed_from={}", time(10))),
        ("order_time", format!("placed_from={}", time(40))),
        ("order_time", format!("placed_from={}&placed_before={}", time(5), time(50))),
        ("-order_time", format!("placed_before={}", time(50))),
        ("-order_time", format!("placed_before={}", time(10))),
        ("-order_time", format!("placed_from={}&placed_before={}", time(5), time(50))),
    ] {
        // The cursor comes from the list without the filter, 20 orders from its start.
        let start = format!("/api/v1/orders?sort={sort}&limit=20");
        let cursor = app.client.get_json(&start).await["next_cursor"].as_str().unwrap().to_owned();
        let rest = format!("/api/v1/orders?sort={sort}&limit=7&{filter}&cursor={cursor}");
        let found = app.client.walk(&rest).await.0;
        let whole = format!("/api/v1/orders?sort={sort}&limit=100&{filter}");
        let filtered = app.client.walk(&whole).await.0;
        let skipped = app.client.get_json(&start).await["data"].as_array().unwrap().clone();
        let expected: Vec<_> =
            filtered.into_iter().filter(|order| !skipped.contains(order)).collect();
        assert!(!expected.is_empty() || filter.ends_with(&time(10)), "{filter}");
        assert_eq!(found, expected, "{sort} {filter}");
    }
}

async fn a_name_prefix_is_matched_literally(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for name in ["50% off", "50_off", "50! off", "Kit", "kit kat", "Kit🦀", "Kit  Kat"] {
        app.client
            .post("/api/v1/items", &json!({"name": name, "price": 1}))
            .await
            .assert_status(201);
    }
    for (prefix, names) in [
        ("50%25", json!(["50% off"])),
        ("50_", json!(["50_off"])),
        ("50!", json!(["50! off"])),
        ("Kit", json!(["Kit", "Kit  Kat", "Kit Kat", "Kit🦀"])),
        ("Kit%20", json!(["Kit  Kat", "Kit Kat"])),
        ("kit", json!(["kit kat"])),
        ("%27%20OR%201=1%20--", json!([])),
        ("Onion", json!(["Onion"])),
    ] {
        let items = app.client.get_json(&format!("/api/v1/items?sort=name&name={prefix}")).await;
        let found: Vec<_> =
            items["data"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
        assert_eq!(Value::Array(found), names, "{prefix}");
    }
    let all = app.client.get_json("/api/v1/items?name=").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 11);
    assert_eq!(app.client.walk("/api/v1/items?name=Kit&limit=1&sort=-name").await.1, 4);
}

async fn invalid_page_requests_are_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let page = app.client.get_json("/api/v1/items?limit=1&sort=name").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let mut forged = cursor.to_owned();
    forged.replace_range(20..21, if cursor.as_bytes()[20] == b'A' { "B" } else { "A" });
    for query in [
        "limit=0".to_owned(),
        "limit=101".to_owned(),
        "limit=-1".to_owned(),
        "limit=x".to_owned(),
        "limit=1&limit=2".to_owned(),
        "sort=weight".to_owned(),
        "sort=name;DROP TABLE item".to_owned(),
        "sort=--name".to_owned(),
        "sort=".to_owned(),
        "offset=10".to_owned(),
        "cursor=".to_owned(),
        "cursor=AAAA".to_owned(),
        format!("cursor={cursor}"),
        format!("sort=-name&cursor={cursor}"),
        format!("sort=name&cursor={forged}"),
        format!("sort=name&cursor={cursor}A"),
    ] {
        app.client.get(&format!("/api/v1/items?{query}")).await.assert_problem(400);
    }
    app.client.get(&format!("/api/v1/items?sort=name&cursor={cursor}")).await.assert_status(200);
    for query in
        ["customer_id=x", "placed_from=yesterday", "placed_before=2024-02-30", "status=new"]
    {
        app.client.get(&format!("/api/v1/orders?{query}")).await.assert_problem(400);
    }
}
