//! A network of its own for each trial, with hosts whose links can be cut.
//!
//! Everything is in network namespaces without a name, which the kernel removes together with their last process.

use std::{
    fs::read_link,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};

use crate::harness::guard::{Guard, find, unprivileged};

/// Longest time to wait for the namespace of a host.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Address range of the links to clients; it exists in the network of a trial only.
const CLIENTS: &str = "10.77.1";

/// Address range of the links between the hosts.
const CLUSTER: &str = "10.77.2";

/// Both ranges.
pub const RANGES: &str = "10.77.0.0/16";

/// Returns why networks cannot be made on this machine, or `None` if they can.
pub fn obstacle() -> Option<&'static str> {
    let programs = ["ip", "nsenter", "unshare"];
    if programs.iter().any(|program| find(program).is_none()) {
        return Some("ip (iproute2), nsenter or unshare (util-linux) is not installed");
    }
    let own_network = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET).is_ok());
    let is_permitted = own_network.join().expect("unshare does not panic");
    (!is_permitted || unprivileged().is_none()).then_some("network namespaces need root")
}

/// Moves the current thread, and the processes that it starts from now on, to a new network with two bridges: one for
/// clients, such as this thread, and one between the hosts.
pub fn enter() {
    unshare(CloneFlags::CLONE_NEWNET).expect("network namespaces need root");
    ip("link set lo up");
    for bridge in [Link::Clients, Link::Cluster].map(Link::name) {
        ip(&format!("link add {bridge} type bridge"));
        ip(&format!("link set {bridge} up"));
    }
    ip(&format!("address add {CLIENTS}.254/24 dev clients"));
}

/// A host with a link to the clients and one to the other hosts.
pub struct Host {
    number: usize,
    /// Process that keeps the namespace.
    keeper: Guard,
}

/// Link of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Clients,
    Cluster,
}

impl Link {
    /// Returns the address of host `number` on this link.
    pub fn address_of(self, number: usize) -> String {
        format!("{}.{number}", self.range())
    }

    fn range(self) -> &'static str {
        match self {
            Self::Clients => CLIENTS,
            Self::Cluster => CLUSTER,
        }
    }

    /// Name of the bridge, and of the end of the link that is on the host.
    fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Cluster => "cluster",
        }
    }
}

impl Host {
    /// Makes host `number`, from 1 on.
    pub fn new(number: usize) -> Self {
        let unshare = find("unshare").expect("unshare is part of util-linux");
        let keeper = Guard::start(unshare, "KILL", |command| {
            command.args(["--net", "sleep", "infinity"]).stderr(Stdio::null());
        });
        let host = Self { number, keeper };
        host.wait_for_namespace();
        host.run_ip("link set lo up");
        host.connect(Link::Clients);
        host.connect(Link::Cluster);
        host
    }

    /// Returns the address of the host on a link.
    pub fn address(&self, link: Link) -> String {
        link.address_of(self.number)
    }

    /// Cuts a link: nothing arrives any more, and no error is reported to the other end.
    pub fn cut(&self, link: Link) {
        ip(&format!("link set {} down", self.port(link)));
    }

    /// Mends a link.
    pub fn mend(&self, link: Link) {
        ip(&format!("link set {} up", self.port(link)));
    }

    /// Returns the words of a command that executes its arguments on the host, without the privileges of root.
    pub fn command(&self) -> Vec<String> {
        let (user, group) = unprivileged().expect("the trials run as root");
        let user = [format!("--setuid={user}"), format!("--setgid={group}")];
        [self.command_of_root(), user.to_vec()].concat()
    }

    fn command_of_root(&self) -> Vec<String> {
        let namespace = format!("--net={}", namespace(&self.keeper.pid()).display());
        vec!["nsenter".to_owned(), namespace]
    }

    fn wait_for_namespace(&self) {
        let own = read_link("/proc/thread-self/ns/net").expect("the thread has a network");
        let started = Instant::now();
        // Until the process has been moved, it is in the network of this thread.
        while read_link(namespace(&self.keeper.pid())).is_ok_and(|network| network == own)
            || self.keeper.pid().is_empty()
        {
            assert!(started.elapsed() < STARTUP_TIMEOUT, "the host has no network");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn connect(&self, link: Link) {
        let (port, pid) = (self.port(link), self.keeper.pid());
        let (bridge, address) = (link.name(), self.address(link));
        ip(&format!("link add name {port} type veth peer name {bridge} netns {pid}"));
        ip(&format!("link set {port} master {bridge} up"));
        self.run_ip(&format!("address add {address}/24 dev {bridge}"));
        self.run_ip(&format!("link set {bridge} up"));
    }

    /// Name of the end of a link that is a port of the bridge.
    fn port(&self, link: Link) -> String {
        format!("{}-{}", link.name(), self.number)
    }

    fn run_ip(&self, arguments: &str) {
        let words = self.command_of_root();
        run(Command::new(&words[0]).args(&words[1..]).arg("ip").args(arguments.split(' ')));
    }
}

fn namespace(pid: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/net"))
}

fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
