//! Switches in environment variables.

use crate::{
    cases,
    harness::{
        case::Case,
        database::{MARKETSVC, TestDatabase},
    },
};

pub fn cases() -> Vec<Case> {
    cases![SQLITE; a_switch_in_the_environment_is_a_boolean_or_an_error]
}

/// Every switch that an environment variable can set.
const SWITCHES: [&str; 4] =
    ["MARKETSVC_ECHO", "MARKETSVC_MIGRATE", "MARKETSVC_DEMO", "MARKETSVC_INSECURE_NO_AUTH"];

async fn a_switch_in_the_environment_is_a_boolean_or_an_error(db: &TestDatabase) {
    let serve = async |variable: &str, value: &str| {
        let output = tokio::process::Command::new(MARKETSVC)
            // The address is refused after the switches were read, unless authentication may be off.
            .args(["serve", "--listen", "192.0.2.1:1", "--auth", "off"])
            .env("DATABASE_URL", &db.url)
            .env(variable, value)
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for variable in SWITCHES {
        for value in ["disabled", "none", "false ", " true", "", "n", "2", "nein"] {
            let (code, message) = serve(variable, value).await;
            assert_eq!(code, Some(2), "{variable}={value:?}: {message}");
            assert!(message.contains(variable) && message.contains("true or false"), "{message}");
        }
    }
    for value in ["0", "false", "no", "off", "FALSE", "Off"] {
        let (code, message) = serve("MARKETSVC_INSECURE_NO_AUTH", value).await;
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains("without authentication"), "{value}: {message}");
    }
    for value in ["1", "true", "yes", "on", "YES", "True"] {
        let (code, message) = serve("MARKETSVC_INSECURE_NO_AUTH", value).await;
        assert_eq!(code, Some(1), "{message}");
        assert!(!message.contains("without authentication"), "{value}: {message}");
    }
}
