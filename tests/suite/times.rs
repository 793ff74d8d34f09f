//! The tutorial's form of a time, `2024-03-18 10:30:00`: a space, no offset, UTC.

use crate::{
    cases,
    harness::{case::Case, client::TestResponse, database::TestDatabase},
};

pub fn cases() -> Vec<Case> {
    cases![
        the_tutorials_time_form_works_in_paths,
        the_tutorials_time_form_works_in_queries,
        a_date_as_the_end_of_a_period_means_its_midnight,
        malformed_times_are_refused,
    ]
}

async fn the_tutorials_time_form_works_in_paths(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for (before, after, found) in [
        ("2024-03-20T11:00:00Z", "2024-03-18T10:30:00Z", 2),
        ("2024-03-20T10:59:59.999999Z", "2024-03-18T10:30:00Z", 1),
        ("2024-03-25T15:00:00Z", "2024-03-18T10:30:01Z", 2),
    ] {
        let rfc3339 = format!("/api/orders_between_dates/{before}/{after}");
        let expected = app.client.get_json(&rfc3339).await;
        assert_eq!(expected.as_array().map(Vec::len), Some(found), "{rfc3339}");
        let [before, after] = [before, after].map(|time| time.trim_end_matches('Z'));
        let [spaced_before, spaced_after] = [before, after].map(|time| time.replace('T', "%20"));
        for path in [
            format!("/api/orders_between_dates/{spaced_before}/{spaced_after}"),
            format!("/api/orders_between_dates/{spaced_before}/{after}"),
            format!("/api/orders_between_dates/{before}/{spaced_after}Z"),
        ] {
            assert_eq!(app.client.get_json(&path).await, expected, "{path}");
        }
    }
}

async fn the_tutorials_time_form_works_in_queries(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for path in [
        "/api/v1/orders?placed_from=2024-03-18T10:30:01Z",
        "/api/v1/orders?placed_before=2024-03-25T15:00:00Z",
        "/api/v1/orders?placed_from=2024-03-18T10:30:00Z&placed_before=2024-03-20T11:00:00Z",
        "/api/v1/orders/export?placed_from=2024-03-20T11:00:00Z",
        "/api/v1/orders/export?placed_before=2024-03-20T11:00:00.000001Z",
        "/api/v1/reports/revenue?from=2024-03-18T10:30:01Z&to=2024-03-20T11:00:01Z",
        "/api/v1/reports/best-sellers?from=2024-03-18T10:30:01Z&to=2024-03-20T11:00:01Z",
    ] {
        let expected = app.client.get(path).await;
        expected.assert_status(200);
        for space in ["%20", "+"] {
            // All times here are in the morning or afternoon, so a 1 follows their T.
            let spaced = path.replace("T1", &format!("{space}1")).replace('Z', "");
            let response = app.client.get(&spaced).await;
            assert_eq!(response.assert_status(200).body, expected.body, "{spaced}");
        }
    }
    let all = app.client.get_json("/api/v1/orders").await;
    let some = app.client.get_json("/api/v1/orders?placed_from=2024-03-18+10:30:01").await;
    assert_eq!(some["data"].as_array().unwrap()[..], all["data"].as_array().unwrap()[1..]);
}

async fn a_date_as_the_end_of_a_period_means_its_midnight(db: &TestDatabase) {
    let app = db.serve_demo().await;
    // An order at midnight itself, which the end of the tutorial's period includes.
    db.execute("UPDATE orders SET order_time = '2024-03-25 00:00:00' WHERE id = 3").await.unwrap();
    let ids_of = async |path: &str| {
        let orders = app.client.get_json(path).await;
        orders
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["order_id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    for midnight in ["2024-03-25", "2024-03-25T00:00:00Z", "2024-03-25%2000:00:00"] {
        let path = format!("/api/orders_between_dates/{midnight}/2024-03-20");
        assert_eq!(ids_of(&path).await, [2, 3], "{path}");
    }
    let earlier = "/api/orders_between_dates/2024-03-24%2023:59:59/2024-03-20";
    assert_eq!(ids_of(earlier).await, [2]);
    for midnight in ["2024-03-25", "2024-03-25+00:00:00"] {
        let path = format!("/api/v1/orders?placed_before={midnight}");
        let orders = app.client.get_json(&path).await;
        assert_eq!(orders["data"].as_array().map(Vec::len), Some(2), "{path}");
    }
}

async fn malformed_times_are_refused(db: &TestDatabase) {
    let app = db.serve_demo().await;
    for time in [
        "2024-03-1810:30:00",
        "2024-03-18%20",
        "2024-03-18%2010",
        "2024-03-18%2025:00:00",
        "2024-02-30%2010:30:00",
        "10:30:00%202024-03-18",
    ] {
        for path in [
            format!("/api/orders_between_dates/{time}/2024-01-01"),
            format!("/api/v1/orders?placed_from={time}"),
            format!("/api/v1/reports/revenue?from={time}&to=2024-04-01"),
        ] {
            let response = TestResponse::of(app.client.request("GET", &path)).await;
            assert_eq!(response.status, 400, "{path}: {response:?}");
            response.assert_problem(400);
        }
    }
}
