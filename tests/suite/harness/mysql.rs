//! A temporary MariaDB server.

use std::process::{Command, Stdio};

use super::guard::{Guard, data_directory, find, free_port, without_root};

/// Returns true if the programs of MariaDB are installed.
pub fn is_installed() -> bool {
    find("mariadb-install-db").is_some() && find("mariadbd").is_some()
}

/// Starts a server and returns its URL. If `durable`, commits survive a kill of the server, at the cost of speed.
pub fn start(durable: bool) -> (String, Guard) {
    let directory = data_directory();
    let datadir = format!("--datadir={}", directory.display());
    let install = find("mariadb-install-db").expect("mariadb-install-db is installed");
    let mut init = Command::new(install);
    init.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
        .arg(&datadir)
        .current_dir(&directory);
    let output = without_root(&mut init).output().expect("mariadb-install-db should start");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let port = free_port();
    let mariadbd = find("mariadbd").expect("mariadbd is installed");
    let guard = Guard::start(mariadbd, "KILL", |command| {
        command
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--innodb-flush-log-at-trx-commit={}", u8::from(durable)))
            .arg("--max-connections=300")
            .arg(&datadir)
            // A starting server deletes the temporary files of others in a shared directory.
            .arg(format!("--tmpdir={}", directory.display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", directory.join("socket").display()))
            .env("GUARD_REMOVE", &directory)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        without_root(command);
    });
    (format!("mysql://root@127.0.0.1:{port}/mysql"), guard)
}
