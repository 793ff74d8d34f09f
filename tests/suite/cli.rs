//! Errors of the command line: one clear line, exit code 1 or 2.

use crate::{
    cases,
    harness::{
        case::Case,
        database::{MARKETSVC, MIGRATION, TestDatabase, run, stderr},
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![SQLITE;
        an_unusable_database_url_is_reported_in_one_line,
        help_names_environment_variables_without_their_values,
        an_invalid_command_line_exits_with_2_and_points_to_help,
        flags_can_be_set_by_environment_variables,
    ];
    cases.extend(cases![a_port_in_use_is_reported_in_one_line]);
    cases.extend(cases![SERVERS;
        the_database_password_is_never_printed,
        a_scheme_may_have_its_other_name,
    ]);
    cases
}

async fn an_unusable_database_url_is_reported_in_one_line(_: &TestDatabase) {
    for (url, expected) in [
        (
            "oracle://joe:s3cret@127.0.0.1/shop",
            "must start with sqlite:, postgres:, mysql: or mariadb:",
        ),
        ("postgres://joe:s3cret@127.0.0.1:port/shop", "not a database URL"),
        ("sqlite::memory:", "SQLite needs a file"),
        ("postgres://joe@127.0.0.1:1/shop?passwort=s3cret", "unknown option passwort"),
        ("postgres://joe:12/s3cret@127.0.0.1/shop", "write %40 for @"),
        ("sqlite:///nowhere/at/all.db?mode=rwc", "unable to open database file"),
        ("sqlite:///tmp/marketsvc-no-such-file.db", "unable to open database file"),
        (
            "postgres://joe:s3cret@127.0.0.1:1/shop",
            "cannot connect to postgres://joe:***@127.0.0.1:1/shop",
        ),
        (
            "mysql://joe:s3cret@127.0.0.1:1/shop",
            "cannot connect to mysql://joe:***@127.0.0.1:1/shop",
        ),
        (
            "mariadb://joe:s3cret@127.0.0.1:1/shop",
            "cannot connect to mysql://joe:***@127.0.0.1:1/shop",
        ),
        ("mysqlx://joe:s3cret@127.0.0.1:1/shop", "must start with sqlite:"),
        ("MariaDB://joe:s3cret@127.0.0.1:1/shop", "must start with sqlite:"),
        ("mysql:joe:s3cret", "// must follow the scheme"),
        ("postgres:joe:s3cret@127.0.0.1:1/shop", "// must follow the scheme"),
        ("postgres://joe%3As3cret@127.0.0.1:1/shop", "cannot connect to postgres://***:***@"),
        ("sqlite://joe:s3cret@127.0.0.1:1/shop", "unable to open database file"),
    ] {
        let (serve, migrate, migration) = tokio::join!(
            run(MARKETSVC, url, &["serve", "--acquire-timeout", "1"]),
            run(MARKETSVC, url, &["migrate", "up"]),
            run(MIGRATION, url, &["up"]),
        );
        for output in [serve, migrate, migration] {
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert!(message.starts_with("error: ") && message.contains(expected), "{message}");
            assert!(!message.contains("s3cret"), "{message}");
        }
    }
}

async fn a_port_in_use_is_reported_in_one_line(db: &TestDatabase) {
    let app = db.serve_demo().await;
    let output = db.run(&["serve", "--listen", &app.address]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains(&format!("cannot listen at {}", app.address)), "{message}");
    assert!(message.contains("in use"), "{message}");
}

async fn the_database_password_is_never_printed(db: &TestDatabase) {
    let (scheme, rest) = db.url.split_once("://").unwrap();
    let (_, host) = rest.split_once('@').unwrap();
    let url = format!("{scheme}://no-such-user:s3cret@{host}");
    for (program, args) in [
        (MARKETSVC, &["serve", "--echo"][..]),
        (MARKETSVC, &["migrate", "up", "--echo"]),
        (MARKETSVC, &["seed", "demo", "--echo"]),
        (MARKETSVC, &["api-key", "list", "--echo"]),
        (MIGRATION, &["up"]),
    ] {
        let output = tokio::process::Command::new(program)
            .args(args)
            .env("DATABASE_URL", &url)
            .env("RUST_LOG", "trace")
            .output()
            .await
            .unwrap();
        let message = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

async fn a_scheme_may_have_its_other_name(db: &TestDatabase) {
    let (scheme, rest) = db.url.split_once("://").unwrap();
    let other = if scheme == "mysql" { "mariadb" } else { "postgresql" };
    let url = format!("{other}://{rest}");
    for (program, args) in [
        (MIGRATION, &["up"][..]),
        (MARKETSVC, &["migrate", "status"]),
        (MARKETSVC, &["api-key", "list"]),
    ] {
        let output = run(program, &url, args).await;
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
}

async fn help_names_environment_variables_without_their_values(_: &TestDatabase) {
    for (program, args) in [
        (MARKETSVC, &["--help"][..]),
        (MARKETSVC, &["serve", "--help"]),
        (MARKETSVC, &["migrate", "--help"]),
        (MARKETSVC, &["seed", "generate", "--help"]),
        (MARKETSVC, &["api-key", "create", "--help"]),
        (MIGRATION, &["--help"]),
    ] {
        let output = run(program, "postgres://joe:s3cret@127.0.0.1/shop", args).await;
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains("DATABASE_URL"), "{help}");
        assert!(!help.contains("s3cret"), "{help}");
    }
}

async fn an_invalid_command_line_exits_with_2_and_points_to_help(db: &TestDatabase) {
    for args in [&["sevre"][..], &[], &["serve", "--max-connections", "0"], &["seed", "generate"]] {
        let output = db.run(args).await;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("--help"), "{args:?}");
    }
}

async fn flags_can_be_set_by_environment_variables(db: &TestDatabase) {
    use crate::harness::app::App;
    for no in ["0", "false", "no", "Off"] {
        let env = [("MARKETSVC_MIGRATE", "1"), ("MARKETSVC_DEMO", no)];
        let app = App::start_with(&db.url, &[], &env).await;
        assert_eq!(app.client.get("/api/customers").await.body, "[]");
    }
    let app = App::start_with(&db.url, &[], &[("MARKETSVC_DEMO", "yes")]).await;
    assert_ne!(app.client.get("/api/customers").await.body, "[]");
}
