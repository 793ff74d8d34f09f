//! A reverse proxy in front of the replicas.

use std::{
    fmt::Write as _,
    io::{Read, Write as _},
    os::unix::net::UnixStream,
    process::Stdio,
};

use tempfile::TempDir;

use super::replicas::ADDRESSES;
use crate::harness::guard::{Guard, find};

/// Address of the proxy.
pub const ADDRESS: &str = "127.0.0.1:8080";

/// A replica is asked every 200 ms. A request that was sent is never sent again, because it may have been carried out:
/// `retry-on conn-failure` repeats only what no replica has received.
const CONFIGURATION: &str = "\
global
    maxconn 1000
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    retries 2
    retry-on conn-failure
    option redispatch 1
frontend market
    bind 127.0.0.1:8080
    default_backend replicas
backend replicas
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    default-server check inter 200ms fall 1 rise 1
";

/// Name of the socket for commands, in the directory of the proxy.
const SOCKET: &str = "commands";

/// Returns why the proxy cannot be started on this machine, or `None` if it can.
pub fn obstacle() -> Option<&'static str> {
    find("haproxy").is_none().then_some("haproxy is not installed")
}

/// A running proxy. It stops when this is dropped.
pub struct Haproxy {
    _guard: Guard,
    directory: TempDir,
}

impl Haproxy {
    /// Starts the proxy in front of the replicas.
    pub fn start() -> Self {
        let directory = TempDir::new().expect("a temporary directory should be creatable");
        let [file, socket] = ["haproxy.cfg", SOCKET].map(|name| directory.path().join(name));
        let mut configuration = CONFIGURATION.to_owned();
        for (n, address) in ADDRESSES.iter().enumerate() {
            writeln!(configuration, "    server replica{n} {address}")
                .expect("writing to a string never fails");
        }
        write!(configuration, "global\n    stats socket {} level admin\n", socket.display())
            .expect("writing to a string never fails");
        std::fs::write(&file, configuration).expect("the directory is writable");
        let guard =
            Guard::start(find("haproxy").expect("haproxy is installed"), "TERM", |command| {
                command.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
            });
        Self { _guard: guard, directory }
    }

    /// Stops or resumes the checks of a replica, whose state stays as it is without them.
    pub fn set_checks(&self, replica: usize, are_on: bool) {
        let verb = if are_on { "enable" } else { "disable" };
        self.execute(&format!("{verb} health replicas/replica{replica}"));
    }

    /// Sends a replica no more requests than those that it has, until [`Self::resume`].
    pub fn drain(&self, replica: usize) {
        self.execute(&format!("set server replicas/replica{replica} state drain"));
    }

    /// Sends a replica requests again.
    pub fn resume(&self, replica: usize) {
        self.execute(&format!("set server replicas/replica{replica} state ready"));
    }

    fn execute(&self, command: &str) {
        let socket = UnixStream::connect(self.directory.path().join(SOCKET));
        let mut socket = socket.expect("the proxy runs");
        writeln!(socket, "{command}").expect("the proxy reads commands");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("the proxy answers");
        assert_eq!(answer.trim(), "", "{command}");
    }
}
