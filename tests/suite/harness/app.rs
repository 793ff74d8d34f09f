//! A running `marketsvc serve`.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{client::Client, database::MARKETSVC, guard::Guard};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server, its log, and a client for it. Dropping it stops the server.
pub struct App {
    pub client: Client,
    /// `127.0.0.1:PORT`
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
    guard: Guard,
}

impl App {
    /// Starts `serve` with `args` on a free port and waits until it listens.
    pub async fn start(url: &str, args: &[&str]) -> Self {
        Self::start_with(url, args, &[]).await
    }

    /// [`App::start`] with environment variables.
    pub async fn start_with(url: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_under(&[], url, args, env).await
    }

    /// [`App::start_with`] by a program that becomes the one it is given, in another state.
    pub async fn start_under(
        wrapper: &[&str],
        url: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let words = [wrapper, &[MARKETSVC]].concat();
        let mut guard = Guard::start(words[0], "TERM", |command| {
            command
                .args(&words[1..])
                .args(["serve", "--echo", "--listen", "127.0.0.1:0"])
                .args(args)
                .env("DATABASE_URL", url)
                .env_remove("RUST_LOG")
                .envs(env.iter().copied())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
        });
        let stderr = guard.child.stderr.take().expect("stderr is piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("no holder panics").push(line);
            }
        });
        let line = wait_for(&log, "listening at ").await;
        // Where the log is JSON, more than the address follows.
        let line = line.trim_end_matches(['"', '}']);
        let (before, address) = line.rsplit_once("://").expect("the address follows");
        let (_, scheme) = before.rsplit_once(' ').expect("the scheme stands before it");
        let client = Client::new(&format!("{scheme}://{address}"));
        Self { client, address: address.to_owned(), log, guard }
    }

    /// Everything logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no holder panics").clone()
    }

    /// Waits for a line with `text` in the log.
    pub async fn logged(&self, text: &str) -> String {
        wait_for(&self.log, text).await
    }

    /// Ends the server in the midst of what it does. Linux.
    pub fn kill(&self) {
        self.guard.kill();
    }

    /// Tells the server to stop, as a supervisor does.
    pub fn stop(&mut self) {
        self.guard.stop();
    }

    /// Tells the server a second time to stop. Linux.
    pub fn stop_at_once(&self) {
        let status = Command::new("kill").args(["-TERM", &self.guard.pid()]).status();
        assert!(status.expect("kill is part of any system").success());
    }

    /// Whether it has not stopped yet.
    pub fn is_running(&mut self) -> bool {
        self.guard.child.try_wait().expect("it is a child of ours").is_none()
    }

    /// The exit code of the server, once it has stopped.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.guard.child.try_wait().expect("it is a child of ours") {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it goes on:\n{}", self.log().join("\n"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets the server's files grow to so many bytes, or `unlimited`, as on a disk that is full. Linux.
    pub fn limit_files_to(&self, bytes: &str) {
        let limit = format!("--fsize={bytes}:");
        let status = Command::new("prlimit").args(["--pid", &self.guard.pid(), &limit]).status();
        assert!(status.expect("prlimit is part of util-linux").success());
    }

    /// The most memory the server has used so far, in kB. Linux.
    pub fn peak_memory(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.guard.pid()));
        let status = status.expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Where the log stands, once all that was asked before is in it: it is read by another thread.
    pub async fn mark(&self) -> usize {
        let last = self.client.get("/").await.request_id();
        self.logged(&last).await;
        self.log().len()
    }

    /// The SQL statements of `GET path`, which must succeed.
    pub async fn statements_of(&self, path: &str) -> Vec<String> {
        let before = self.mark().await;
        let answer = self.client.get(path).await;
        answer.assert_status(200);
        self.statements_until(before, &answer.request_id()).await
    }

    /// The SQL statements logged between line `from` and the end of request `request_id`.
    pub async fn statements_until(&self, from: usize, request_id: &str) -> Vec<String> {
        self.logged(request_id).await;
        let log = self.log();
        let statements = log[from..].iter().filter(|line| line.contains("sqlx::query"));
        // What a new connection is set up with belongs to no request.
        let setup = ["summary=\"PRAGMA ", "summary=\"SET "];
        statements.filter(|line| !setup.iter().any(|word| line.contains(word))).cloned().collect()
    }
}

async fn wait_for(log: &Mutex<Vec<String>>, text: &str) -> String {
    let started = Instant::now();
    loop {
        let lines = log.lock().expect("no holder panics").clone();
        if let Some(line) = lines.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        assert!(started.elapsed() < PATIENCE, "{text:?} not in:\n{}", lines.join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
