//! Processes that start, stop or are killed together, and storage that cannot be written.

use std::{
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{eventually, lock_orders, repetitions, stalled_reader, unlock_orders};
use crate::{
    cases,
    harness::{
        app::App,
        backend::Backend,
        case::Case,
        client::{ALEX, Client, MILK},
        database::{MARKETSVC, TestDatabase, run, stderr},
    },
};

pub fn cases() -> Vec<Case> {
    let mut cases = cases![
        a_stopping_server_completes_the_requests_in_flight,
        a_stopping_server_sends_the_rest_of_a_page,
        a_killed_migration_does_not_stop_the_others,
    ];
    if cfg!(target_os = "linux") {
        cases.extend(cases![SQLITE; a_read_only_database_file_can_still_be_read, orders_are_accepted_again_when_a_full_disk_has_space]);
    }
    cases
}

async fn a_stopping_server_completes_the_requests_in_flight(db: &TestDatabase) {
    db.generate(40_000, 10, 10, 1).await;
    let mut app = db.serve(&["--drain-delay", "1", "--shutdown-timeout", "20"]).await;
    let client = app.client.clone();
    client.get("/readyz").await.assert_status(200);

    let silent = TcpStream::connect(&app.address).await.unwrap();
    let mut slow = stalled_reader(&app.address, "/api/customers").await;
    let holder = lock_orders(db).await;
    let order = client.place_order(1, &[(MILK, 1)]);
    let stop = async {
        app.stop();
        let drains = async || client.get("/readyz").await.status == 503;
        eventually("the readiness probe reports 503", drains).await;
        client.get("/livez").await.assert_status(200);
        client.get("/api/v1/items/1").await.assert_status(200);
        // A new client opens a new connection each time, which may be refused or never answered.
        let probe = || Client::new(&format!("http://{}", app.address)).request("GET", "/livez");
        let is_closed =
            async || !matches!(timeout(Duration::from_secs(1), probe().send()).await, Ok(Ok(_)));
        eventually("the server accepts no more connections", is_closed).await;
        unlock_orders(db, holder).await;
    };
    let read = async {
        let (mut rest, mut part) = (Vec::new(), [0; 4096]);
        loop {
            match slow.read(&mut part).await.unwrap() {
                0 => break rest,
                read => rest.extend_from_slice(&part[..read]),
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    let started = Instant::now();
    let stop_and_read = async {
        stop.await;
        read.await
    };
    let (order, rest) = tokio::join!(order, stop_and_read);
    order.assert_status(201);
    assert!(rest.ends_with(b"]\r\n0\r\n\r\n"), "the stream was cut off");
    assert_eq!(app.exit_code().await, Some(0));
    let took = started.elapsed();
    assert!(took.as_secs() < 1 + 20 + 5, "{took:?}");
    println!("fault injection: {} graceful stop in {took:.1?}", db.backend.name());
    drop(silent);
    assert_eq!(db.count("orders").await, 10 + 1);
}

/// A single page has its length, and no budget for streams.
async fn a_stopping_server_sends_the_rest_of_a_page(db: &TestDatabase) {
    db.generate(10, 100, 3_000, 1).await;
    let long = "UPDATE item SET description = ''";
    db.execute(&long.replace("''", &format!("'{}'", "x".repeat(2000)))).await.unwrap();
    let mut app = db.serve(&[]).await;
    let path = "/api/v1/orders?limit=100&expand=items.item";
    let whole = app.client.get(path).await.body;
    assert!(whole.len() > 400_000, "{}", whole.len());
    let mut slow = stalled_reader(&app.address, path).await;
    app.stop();
    app.logged("stopping: not ready").await;
    sleep(Duration::from_millis(300)).await;
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8_lossy(&rest).ends_with(&whole), "{} bytes", rest.len());
    assert_eq!(app.exit_code().await, Some(0));
}

async fn a_killed_migration_does_not_stop_the_others(db: &TestDatabase) {
    // On servers the lock of a killed process expires only after some seconds.
    let kills = match db.backend {
        Backend::Sqlite => repetitions("FAULT_KILLS", 3),
        _ => repetitions("FAULT_KILLS", 3) / 3,
    };
    let started = Instant::now();
    db.run_ok(&["migrate", "up"]).await;
    let alone = started.elapsed();
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills {
        assert!(
            rounds < 10 * kills,
            "only {killed} of {rounds} migrations were killed before their end"
        );
        // Eight concurrent migrations take longer than one.
        let delay = alone * (rounds % 8) / 6;
        killed += u32::from(migrate_and_kill_one(db.backend, delay).await);
        rounds += 1;
    }
    println!(
        "fault injection: {} {killed} of {rounds} migrations killed midway",
        db.backend.name()
    );
}

/// Starts eight migrations and kills one after `delay`. Returns true if that one had not ended yet.
async fn migrate_and_kill_one(backend: Backend, delay: Duration) -> bool {
    let db = TestDatabase::create(backend).await;
    let start = || {
        let mut command = tokio::process::Command::new(MARKETSVC);
        command.args(["migrate", "up"]).env("DATABASE_URL", &db.url).env_remove("RUST_LOG");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().expect("the program should start")
    };
    // The first process most likely holds the migration lock.
    let mut victim = start();
    let others: Vec<_> = (0..7).map(|_| start()).collect();
    let kill = async {
        sleep(delay).await;
        victim.start_kill().unwrap();
        victim.wait().await.unwrap().signal().is_some()
    };
    let others = join_all(others.into_iter().map(tokio::process::Child::wait_with_output));
    let (was_killed, others) = tokio::join!(kill, others);
    for other in others {
        let other = other.unwrap();
        assert!(other.status.success(), "{}", stderr(&other));
    }
    assert_eq!(db.run_ok(&["migrate", "up"]).await, "nothing to do\n");
    let status = db.run_ok(&["migrate", "status"]).await;
    assert!(status.lines().all(|line| line.starts_with("Applied ")), "{status}");
    let recorded = usize::try_from(db.count("seaql_migrations").await);
    assert_eq!(recorded, Ok(status.lines().count()));
    db.run_ok(&["seed", "demo"]).await;
    db.remove().await;
    was_killed
}

/// Wrapper command that drops the privileges by which root ignores file permissions.
const WITHOUT_PRIVILEGE: &[&str] = &[
    "setpriv",
    "--inh-caps=-dac_override,-dac_read_search",
    "--bounding-set=-dac_override,-dac_read_search",
];

async fn a_read_only_database_file_can_still_be_read(db: &TestDatabase) {
    let mut app = db.serve_demo().await;
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    app.stop();
    assert_eq!(app.exit_code().await, Some(0));
    set_mode(db, 0o444);
    let is_root = std::fs::OpenOptions::new().append(true).open(db.file()).is_ok();
    let wrapper = if is_root { WITHOUT_PRIVILEGE } else { &[] };
    let words = [wrapper, &[MARKETSVC, "migrate", "fresh"]].concat();
    let output = run(words[0], &db.url, &words[1..]).await;
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("readonly"), "{}", stderr(&output));

    let mut app = App::start_under(wrapper, &db.url, &[], &[]).await;
    for _ in 0..3 {
        let response = app.client.place_order(ALEX, &[(MILK, 1)]).await;
        response.assert_problem(503);
        assert_eq!(response.header("retry-after"), "1");
        assert_eq!(app.client.get_json("/api/order_total/1").await, json!({"Order Total": 30}));
    }
    app.stop();
    assert_eq!(app.exit_code().await, Some(0));
    set_mode(db, 0o644);
    let app = App::start_under(wrapper, &db.url, &[], &[]).await;
    app.client.place_order(ALEX, &[(MILK, 1)]).await.assert_status(201);
    assert_eq!(db.count("orders").await, 3 + 2);
}

/// Sets the mode of the database file and of the files that SQLite keeps beside it.
fn set_mode(db: &TestDatabase, mode: u32) {
    for file in std::fs::read_dir(db.file().parent().unwrap()).unwrap() {
        std::fs::set_permissions(file.unwrap().path(), PermissionsExt::from_mode(mode)).unwrap();
    }
}

/// A small temporary file system. Mounting it requires root.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let disk = Self(TempDir::new().expect("a temporary directory should be creatable"));
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).then_some(disk)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn grow(&self, size: &str) {
        assert!(self.run("mount", &["-o", &format!("remount,size={size}")]));
    }

    fn run(&self, program: &str, args: &[&str]) -> bool {
        let mut command = Command::new(program);
        command.args(args).arg(self.path()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazy, because the server may still run. Fails if nothing was mounted.
        self.run("umount", &["--lazy"]);
    }
}

async fn orders_are_accepted_again_when_a_full_disk_has_space(_: &TestDatabase) {
    let Some(disk) = Disk::mount("1m") else {
        println!("fault injection: skipped, a full disk needs the permission to mount");
        return;
    };
    let url = format!("sqlite://{}/market.db?mode=rwc", disk.path().display());
    let db = TestDatabase::at(Backend::Sqlite, url);
    let app = db.serve_demo().await;
    let (mut placed, mut refused) = (0, 0);
    for _ in 0..10_000 {
        if refused == 20 {
            break;
        }
        let response = app.client.place_order(ALEX, &[(1, 1), (2, 2), (3, 3)]).await;
        if response.status == 201 {
            placed += 1;
        } else {
            response.assert_problem(503);
            app.client.get("/api/order_total/1").await.assert_status(200);
            refused += 1;
        }
    }
    assert!(placed > 0 && refused == 20, "{placed} placed, {refused} refused");
    disk.grow("16m");
    for _ in 0..20 {
        app.client.place_order(ALEX, &[(1, 1), (2, 2), (3, 3)]).await.assert_status(201);
        placed += 1;
    }
    db.check_file().await;
    assert_eq!(db.count("orders").await, 3 + placed);
    assert_eq!(db.count("order_items").await, 5 + 3 * placed);
}
