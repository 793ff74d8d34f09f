//! Files of the server: their permissions.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{
    cases,
    harness::{
        app::App,
        case::Case,
        client::{ALEX, MILK},
        database::{MARKETSVC, MIGRATION, TestDatabase},
    },
};

pub fn cases() -> Vec<Case> {
    cases![SQLITE;
        sqlite_files_are_for_their_owner_only,
        the_mode_of_an_existing_sqlite_file_is_kept,
        a_private_key_that_others_can_read_is_warned_about,
    ]
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Returns the file and its companions.
fn files(db: &TestDatabase) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", db.file().display())))
}

/// Runs a program under a umask that forbids nothing.
async fn run_unmasked(program: &str, url: &str, args: &[&str]) {
    let status = tokio::process::Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" \"$@\"", program])
        .args(args)
        .env("DATABASE_URL", url)
        .status()
        .await
        .unwrap();
    assert!(status.success(), "{args:?}");
}

async fn sqlite_files_are_for_their_owner_only(db: &TestDatabase) {
    let [file, ..] = files(db);
    for (program, args) in [(MARKETSVC, &["migrate", "up"][..]), (MIGRATION, &["up"])] {
        run_unmasked(program, &db.url, args).await;
        assert_eq!(mode(&file), 0o600, "{args:?}");
        fs::remove_file(&file).unwrap();
    }
    let unmasked = ["sh", "-c", "umask 000; exec \"$0\" \"$@\""];
    let app = App::start_under(&unmasked, &db.url, &["--demo"], &[]).await;
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    for file in files(db) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

async fn the_mode_of_an_existing_sqlite_file_is_kept(db: &TestDatabase) {
    let [file, ..] = files(db);
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let app = db.serve_demo().await;
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    for file in files(db) {
        assert_eq!(mode(&file), 0o640, "{}", file.display());
    }
}

async fn a_private_key_that_others_can_read_is_warned_about(db: &TestDatabase) {
    db.run_ok(&["migrate", "up"]).await;
    let folder = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let args = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    for (mode, is_warned_about) in [(0o644, true), (0o640, true), (0o604, true), (0o600, false)] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let app = db.serve(&args).await;
        let log = app.log();
        let warning = log.iter().find(|line| line.contains("WARN") && line.contains("private key"));
        assert_eq!(warning.is_some(), is_warned_about, "mode {mode:o}: {log:#?}");
    }
}
