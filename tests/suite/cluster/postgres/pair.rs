//! A PostgreSQL primary and a standby, each on a host of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement, TryGetable};
use tokio::time::sleep;

use crate::cluster::{
    network::{Host, Link, RANGES},
    site::{Cluster, Contents},
};
use crate::harness::{
    backend::wait,
    guard::{Guard, data_directory, find},
};

/// Longest time for a standby to receive all changes.
const CATCH_UP_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns why the servers cannot be made on this machine, or `None` if they can.
pub fn obstacle() -> Option<&'static str> {
    let programs = ["initdb", "postgres", "pg_basebackup"];
    let is_missing = programs.iter().any(|program| find(program).is_none());
    is_missing.then_some("postgresql is not installed")
}

/// Two servers, one of which is the primary. A commit is acknowledged when both have it.
pub struct Pair {
    servers: [Server; 2],
    primary: usize,
}

struct Server {
    host: Host,
    directory: PathBuf,
    /// `None` until the standby has received the data of the primary.
    process: Option<Guard>,
}

impl Pair {
    /// Starts the servers with an empty database.
    pub async fn start() -> Self {
        let servers = [1, 2].map(|number| {
            let directory = data_directory();
            Server { host: Host::new(number), directory, process: None }
        });
        let mut pair = Self { servers, primary: 0 };
        pair.servers[0].initialise();
        pair.servers[0].start();
        pair.execute(0, "CREATE DATABASE market").await;
        pair.add_standby().await;
        pair
    }

    /// Kills the primary with SIGKILL.
    pub fn kill_primary(&self) {
        if let Some(process) = &self.servers[self.primary].process {
            process.kill();
        }
    }

    /// Cuts all links of the primary.
    pub fn isolate_primary(&self) {
        for link in [Link::Clients, Link::Cluster] {
            self.servers[self.primary].host.cut(link);
        }
    }

    /// Makes the standby the primary, as a failover manager does.
    pub async fn promote_standby(&mut self) {
        self.primary = self.standby();
        self.execute(self.primary, "SELECT pg_promote(true, 60)").await;
    }

    /// Makes a standby of a former primary that was isolated: its data are replaced before it has a network again.
    pub async fn replace_isolated(&mut self) {
        let former = &self.servers[self.standby()];
        if let Some(process) = &former.process {
            process.kill();
        }
        for link in [Link::Clients, Link::Cluster] {
            former.host.mend(link);
        }
        self.add_standby().await;
    }

    /// Makes the server that is not the primary a standby, with a copy of all data, and waits until commits wait for it.
    pub async fn add_standby(&mut self) {
        let (primary, standby) = (self.primary, self.standby());
        let source = self.servers[primary].host.address(Link::Cluster);
        self.servers[standby].copy(&source);
        self.servers[standby].start();
        // Not before, because commits would wait for an absent standby.
        self.wait_for_standby("state = 'streaming'").await;
        self.execute(primary, "ALTER SYSTEM SET synchronous_standby_names = 'standby'").await;
        self.execute(primary, "SELECT pg_reload_conf()").await;
        self.wait_for_standby("sync_state = 'sync'").await;
    }

    /// Waits until the primary has a standby that meets the `condition`.
    async fn wait_for_standby(&self, condition: &str) {
        let db = wait(&self.url_of_server(self.primary, "postgres")).await;
        let count = format!("SELECT count(*) FROM pg_stat_replication WHERE {condition}");
        let started = Instant::now();
        while value::<i64>(&db, &count).await.expect("the primary answers") == 0 {
            assert!(started.elapsed() < CATCH_UP_TIMEOUT, "no standby: {condition}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn standby(&self) -> usize {
        1 - self.primary
    }

    fn host_and_port(&self, server: usize) -> String {
        format!("{}:5432", self.servers[server].host.address(Link::Clients))
    }

    fn url_of_server(&self, server: usize, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.host_and_port(server))
    }

    async fn execute(&self, server: usize, sql: &str) {
        let db = wait(&self.url_of_server(server, "postgres")).await;
        db.execute_unprepared(sql).await.expect(sql);
        db.close().await.expect("closing never fails");
    }
}

impl Server {
    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn initialise(&self) {
        self.run("initdb", |initdb| {
            initdb
                .args(["--username=postgres", "--auth=trust", "--no-sync"])
                .args(["--encoding=UTF8", "--locale=C", "--pgdata"])
                .arg(self.data());
        });
        let access = self.data().join("pg_hba.conf");
        let rules = format!("host all all {RANGES} trust\nhost replication all {RANGES} trust\n");
        append(&access, &rules);
    }

    /// Replaces all data by those of the server at the address `source`, as its standby.
    fn copy(&mut self, source: &str) {
        self.run("rm", |remove| {
            remove.arg("-rf").arg(self.data());
        });
        let connection = format!("host={source} user=postgres application_name=standby");
        self.run("pg_basebackup", |backup| {
            backup.args(["--dbname", &connection, "--pgdata"]).arg(self.data());
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
        });
        // When it becomes the primary, it has no standby at first.
        append(&self.data().join("postgresql.auto.conf"), "synchronous_standby_names = ''\n");
    }

    fn start(&mut self) {
        if let Some(process) = &mut self.process {
            process.start_again();
            return;
        }
        let words = self.host.command();
        let data = self.data();
        self.process = Some(Guard::start(&words[0], "QUIT", |command| {
            command
                .args(&words[1..])
                .arg(find("postgres").expect("postgres is installed"))
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(&self.directory)
                .args(["-c", "listen_addresses=*", "-c", "max_connections=300"])
                .env("GUARD_REMOVE", &self.directory)
                .current_dir(&self.directory)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
        }));
    }

    /// Runs a program on the host to its end.
    fn run(&self, program: &str, configure: impl FnOnce(&mut Command)) {
        let words = self.host.command();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(find(program).expect("the program is installed"));
        configure(&mut command);
        let output = command.current_dir(&self.directory).output().expect("nsenter is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn append(file: &Path, text: &str) {
    let before = std::fs::read_to_string(file).expect("the file is readable");
    std::fs::write(file, before + text).expect("the file is writable");
}

impl Cluster for Pair {
    const NAME: &str = "PostgreSQL";

    fn url(&self, replica: usize) -> String {
        let hosts = [0, 1].map(|n| self.host_and_port((replica + n) % 2));
        format!("postgres://postgres@{}/market", hosts.join(","))
    }

    async fn contents(&self) -> Vec<Contents> {
        let primary = wait(&self.url_of_server(self.primary, "market")).await;
        let standby = wait(&self.url_of_server(self.standby(), "market")).await;
        let position: String = value(&primary, "SELECT pg_current_wal_lsn()::text")
            .await
            .expect("the primary answers");
        let has_all = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
        let started = Instant::now();
        while !value::<bool>(&standby, &has_all).await.expect("the standby answers") {
            assert!(started.elapsed() < CATCH_UP_TIMEOUT, "the standby does not catch up");
            sleep(Duration::from_millis(50)).await;
        }
        let mut contents = Vec::new();
        for db in [primary, standby] {
            contents.push(checksums(&db).await.expect("the server answers"));
        }
        contents
    }
}

/// Returns a checksum of each table.
async fn checksums(db: &DatabaseConnection) -> Result<Contents, DbErr> {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let tables = Statement::from_string(db.get_database_backend(), tables);
    let mut sums = Vec::new();
    for row in db.query_all_raw(tables).await? {
        let table: String = row.try_get_by_index(0)?;
        let checksum = format!(
            "SELECT count(*) || ' rows, ' || coalesce(md5(string_agg(t::text, ' ' ORDER BY t::text)), '') \
             FROM {table} AS t"
        );
        sums.push((table, value(db, &checksum).await?));
    }
    Ok(sums)
}

async fn value<T: TryGetable>(db: &DatabaseConnection, sql: &str) -> Result<T, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get_by_index(0)
}
