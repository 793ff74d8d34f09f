//! A temporary PostgreSQL server.

use std::process::{Command, Stdio};

use super::guard::{Guard, data_directory, find, free_port, without_root};

/// Returns true if the programs of PostgreSQL are installed.
pub fn is_installed() -> bool {
    find("initdb").is_some() && find("postgres").is_some()
}

/// Starts a server and returns its URL. If `durable`, commits survive a kill of the server, at the cost of speed.
pub fn start(durable: bool) -> (String, Guard) {
    let directory = data_directory();
    let initdb = find("initdb").expect("initdb is installed");
    let mut init = Command::new(initdb);
    init.args([
        "--username=postgres",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
    ])
    .arg("--pgdata")
    .arg(&directory)
    .current_dir(&directory);
    let output = without_root(&mut init).output().expect("initdb should start");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));

    let port = free_port();
    let postgres = find("postgres").expect("postgres is installed");
    let guard = Guard::start(postgres, "QUIT", |command| {
        command
            .arg("-D")
            .arg(&directory)
            .arg("-k")
            .arg(&directory)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", if durable { "fsync=on" } else { "fsync=off" }])
            .args(["-c", "max_connections=300"])
            .env("GUARD_REMOVE", &directory)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        without_root(command);
    });
    (format!("postgres://postgres@127.0.0.1:{port}/postgres"), guard)
}
