//! A Galera cluster of MariaDB nodes, each on a host of its own.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use tokio::time::sleep;

use crate::cluster::{
    network::{Host, Link},
    site::{Cluster, Contents},
};
use crate::harness::{
    backend::{connect, wait},
    guard::{Guard, data_directory, find, without_root},
};

/// Number of nodes.
pub const NODES: usize = 3;

/// Longest time for a node to join the cluster.
const JOIN_TIMEOUT: Duration = Duration::from_mins(1);

/// Replication plugin, where Debian and others install it.
const PROVIDERS: [&str; 3] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
];

/// Timers with which a node that is gone is noticed after a second, instead of five and more.
const QUICK_TIMERS: &str = "evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;\
    evs.suspect_timeout=PT1S;evs.inactive_timeout=PT2S;evs.install_timeout=PT2S;\
    evs.join_retrans_period=PT0.2S;gmcast.peer_timeout=PT1S;pc.recovery=false;gcache.size=32M";

/// Statement after which a session sees all that was committed on other nodes before each of its statements.
const WAIT_FOR_OTHERS: &str = "SET SESSION wsrep_sync_wait = 15";

/// Statements that prepare the data of the first node.
const PREPARATION: &str = "CREATE DATABASE market;\nFLUSH PRIVILEGES;\n\
    CREATE USER market@'%' IDENTIFIED BY 'market';\nGRANT ALL ON *.* TO market@'%';\n";

/// Shell script that starts a node. The first start of the first node begins the cluster. A node that was killed asks
/// its own log for its position, as the service file of MariaDB does, so that it receives only the changes since then.
const START: &str = r#"
if [ -e begin ]; then
    rm begin
    exec "$@" --wsrep-new-cluster
fi
if [ -e data/grastate.dat ]; then
    rm -f recovery.log
    "$@" --wsrep-recover --log-error="$PWD/recovery.log"
    position=$(sed -n 's/.*Recovered position: *//p' recovery.log)
fi
exec "$@" ${position:+--wsrep-start-position="$position"}
"#;

/// Returns why the cluster cannot be made on this machine, or `None` if it can.
pub fn obstacle() -> Option<&'static str> {
    let programs = ["mariadbd", "mariadb-install-db", "rsync", "wsrep_sst_rsync"];
    if programs.iter().any(|program| find(program).is_none()) {
        return Some("mariadbd, mariadb-install-db or rsync is not installed");
    }
    provider().is_none().then_some("the replication plugin galera-4 is not installed")
}

fn provider() -> Option<&'static str> {
    PROVIDERS.into_iter().find(|provider| Path::new(provider).is_file())
}

/// Three nodes that have each other's changes before they acknowledge them.
pub struct Galera {
    nodes: Vec<Node>,
}

struct Node {
    host: Host,
    process: Guard,
}

impl Galera {
    /// Makes a cluster with an empty database.
    pub async fn start() -> Self {
        let mut cluster = Self { nodes: Vec::new() };
        for number in 1..=NODES {
            let host = Host::new(number);
            cluster.nodes.push(Node { process: start_node(&host, number == 1), host });
            cluster.wait_until_complete().await;
        }
        cluster
    }

    /// Returns the URL of the database on one node.
    pub fn url_of_node(&self, node: usize) -> String {
        format!("mysql://market:market@{}/market", self.host_and_port(node))
    }

    fn host_and_port(&self, node: usize) -> String {
        format!("{}:3306", self.nodes[node].host.address(Link::Clients))
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&self, node: usize) {
        self.nodes[node].process.kill();
    }

    /// Sends a signal to a node.
    pub fn signal(&self, node: usize, signal: &str) {
        self.nodes[node].process.signal(signal);
    }

    /// Starts a node that was killed or has ended, and waits until it has all data.
    pub async fn start_again(&mut self, node: usize) {
        self.nodes[node].process.start_again();
        self.wait_until_complete().await;
    }

    /// Cuts links of a node.
    pub fn cut(&self, node: usize, links: &[Link]) {
        for link in links {
            self.nodes[node].host.cut(*link);
        }
    }

    /// Mends links of a node, and waits until it has all data.
    pub async fn mend(&self, node: usize, links: &[Link]) {
        for link in links {
            self.nodes[node].host.mend(*link);
        }
        self.wait_until_complete().await;
    }

    /// Waits until each node has all data and knows each other one.
    pub async fn wait_until_complete(&self) {
        let started = Instant::now();
        for node in 0..self.nodes.len() {
            while !self.is_complete(node).await {
                assert!(started.elapsed() < JOIN_TIMEOUT, "node {node} has not joined");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn is_complete(&self, node: usize) -> bool {
        let Ok(db) = connect(&self.url_of_node(node)).await else { return false };
        let state = status(&db, "wsrep_local_state_comment").await;
        let size = status(&db, "wsrep_cluster_size").await;
        let ready = status(&db, "wsrep_ready").await;
        drop(db.close().await);
        let all = self.nodes.len().to_string();
        [state, size, ready].map(Option::unwrap_or_default)
            == ["Synced".to_owned(), all, "ON".to_owned()]
    }

    /// Drops the database and creates it again, empty, on each node.
    pub async fn clear(&self) {
        let db = wait(&self.url_of_node(0)).await;
        for statement in ["DROP DATABASE market", "CREATE DATABASE market"] {
            db.execute_unprepared(statement).await.expect(statement);
        }
        for node in 0..NODES {
            let db =
                wait(&format!("mysql://market:market@{}/mysql", self.host_and_port(node))).await;
            for statement in [WAIT_FOR_OTHERS, "SELECT 1"] {
                db.execute_unprepared(statement).await.expect(statement);
            }
        }
    }
}

impl Cluster for Galera {
    const NAME: &str = "Galera";

    fn url(&self, replica: usize) -> String {
        let hosts: Vec<_> = (0..NODES).map(|n| self.host_and_port((replica + n) % NODES)).collect();
        format!("mysql://market:market@{}/market", hosts.join(","))
    }

    async fn contents(&self) -> Vec<Contents> {
        let mut contents = Vec::new();
        for node in 0..NODES {
            let db = wait(&self.url_of_node(node)).await;
            contents.push(checksums(&db).await.expect("the node answers"));
        }
        contents
    }
}

async fn status(db: &DatabaseConnection, name: &str) -> Option<String> {
    let sql = format!("SHOW GLOBAL STATUS LIKE '{name}'");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    row.ok().flatten().and_then(|row| row.try_get_by_index(1).ok())
}

fn start_node(host: &Host, begins: bool) -> Guard {
    let directory = data_directory();
    let data = directory.join("data");
    let address = host.address(Link::Cluster);
    if begins {
        prepare(&directory, &data);
        std::fs::write(directory.join("begin"), "").expect("the directory is writable");
    } else {
        // A node that joins receives all data.
        let mut create = Command::new("mkdir");
        assert!(without_root(create.arg(&data)).status().expect("mkdir should start").success());
    }
    let members: Vec<_> = (1..=NODES).map(|number| Link::Cluster.address_of(number)).collect();
    let words = host.command();
    Guard::start(&words[0], "KILL", |command| {
        command
            .args(&words[1..])
            .args(["sh", "-c", START, "sh"])
            .arg(find("mariadbd").expect("mariadbd is installed"))
            .args(["--no-defaults", "--skip-name-resolve"])
            .args(["--bind-address=0.0.0.0", "--port=3306", "--max-connections=300"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", directory.display()))
            .arg(format!("--socket={}", directory.join("socket").display()))
            .arg(format!("--pid-file={}", directory.join("pid").display()))
            .arg(format!("--log-error={}", directory.join("error.log").display()))
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"])
            // The other nodes have what a node loses when its machine stops.
            .args(["--innodb-flush-log-at-trx-commit=2", "--innodb-autoinc-lock-mode=2"])
            .args(["--binlog-format=ROW", "--wsrep-on=ON", "--wsrep-cluster-name=trial"])
            .arg(format!("--wsrep-provider={}", provider().expect("Galera is installed")))
            .arg(format!("--wsrep-provider-options={QUICK_TIMERS}"))
            .arg(format!("--wsrep-cluster-address=gcomm://{}", members.join(",")))
            .arg(format!("--wsrep-node-address={address}"))
            .arg("--wsrep-sst-method=rsync")
            .env("GUARD_REMOVE", &directory)
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
    })
}

/// Makes the data of the node that begins the cluster.
fn prepare(directory: &Path, data: &Path) {
    let statements = directory.join("preparation.sql");
    std::fs::write(&statements, PREPARATION).expect("the directory is writable");
    let install = find("mariadb-install-db").expect("mariadb-install-db is installed");
    let mut install = Command::new(install);
    install
        .args(["--no-defaults", "--skip-test-db"])
        .arg("--auth-root-authentication-method=normal")
        .arg(format!("--extra-file={}", statements.display()))
        .arg(format!("--datadir={}", data.display()))
        .arg("--innodb-log-file-size=16M")
        .current_dir(directory);
    let output = without_root(&mut install).output().expect("mariadb-install-db should start");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Returns a checksum of each table of a node, after it has applied all that others committed before.
async fn checksums(db: &DatabaseConnection) -> Result<Contents, DbErr> {
    let backend = db.get_database_backend();
    db.execute_unprepared(WAIT_FOR_OTHERS).await?;
    let tables = "SELECT table_name FROM information_schema.tables \
        WHERE table_schema = 'market' ORDER BY table_name";
    let mut sums = Vec::new();
    for row in db.query_all_raw(Statement::from_string(backend, tables)).await? {
        let table: String = row.try_get_by_index(0)?;
        let count = format!("SELECT count(*) FROM {table}");
        let checksum = format!("CHECKSUM TABLE {table} EXTENDED");
        let count = number(db, &count, 0).await?;
        let checksum = number(db, &checksum, 1).await?;
        sums.push((table, format!("{count} rows, {checksum}")));
    }
    Ok(sums)
}

async fn number(db: &DatabaseConnection, sql: &str, column: usize) -> Result<i64, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get_by_index(column)
}
