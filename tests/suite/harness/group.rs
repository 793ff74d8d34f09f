//! A group of three MySQL servers (Group Replication).

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use super::{backend::Backend, database::TestDatabase};

/// Script that starts the group and runs a command.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/servers/mysql-group");

/// Command of the script: prints what is known about the group, and ends when its standard input closes.
const COMMAND: &str = r#"echo "$MYSQL_GROUP_URL"; echo "$MYSQL_GROUP_PIDS"; exec cat"#;

/// A group whose first member is the primary. It stops when this is dropped.
pub struct Group {
    /// The database of the group, on each member.
    pub members: Vec<TestDatabase>,
    pids: Vec<String>,
    script: Child,
}

impl Group {
    /// Starts a group if the environment has `TEST_MYSQL_GROUP`: it takes half a minute, root and Debian sid.
    pub fn start() -> Option<Self> {
        std::env::var_os("TEST_MYSQL_GROUP")?;
        let mut script = Command::new(SCRIPT)
            .args(["sh", "-c", COMMAND])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script should start");
        let mut lines = BufReader::new(script.stdout.take().expect("stdout is piped")).lines();
        let mut line = || lines.next().expect("the script should start a group").expect("UTF-8");
        let (url, pids) = (line(), line());
        let (scheme, rest) = url.rsplit_once('@').expect("the URL has a user");
        let (hosts, name) = rest.split_once('/').expect("the URL has a database");
        let url_of = |host| format!("{scheme}@{host}/{name}");
        Some(Self {
            members: hosts
                .split(',')
                .map(|host| TestDatabase::at(Backend::Mysql, url_of(host)))
                .collect(),
            pids: pids.split(' ').map(str::to_owned).collect(),
            script,
        })
    }

    /// Returns the URL with the list of the members, the primary last.
    pub fn url(&self) -> String {
        let urls = self.members.iter().rev().map(|member| member.url.as_str());
        let parts: Vec<_> = urls.filter_map(|url| url.split_once('@')?.1.split_once('/')).collect();
        let hosts: Vec<_> = parts.iter().map(|(host, _)| *host).collect();
        let (scheme, _) = self.members[0].url.split_once('@').expect("the URL has a user");
        format!("{scheme}@{}/{}", hosts.join(","), parts[0].1)
    }

    /// Kills the primary with SIGKILL.
    pub fn kill_primary(&self) {
        let status = Command::new("kill").args(["-KILL", &self.pids[0]]).status();
        assert!(status.expect("kill is installed").success());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        self.script.wait().expect("the script is a child process");
    }
}
