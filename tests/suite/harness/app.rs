//! A running `marketsvc serve`.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{client::Client, database::MARKETSVC, echo::Echo, guard::Guard};

/// Longest time that a test waits for an expected event.
pub const EVENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A server process with its log and a client. The server stops when this is dropped.
pub struct App {
    pub client: Client,
    /// `127.0.0.1:PORT`
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
    guard: Guard,
}

impl App {
    /// Starts `serve --echo` with `args` on a free port and waits until it listens.
    pub async fn start(url: &str, args: &[&str]) -> Self {
        Self::start_with(url, args, &[]).await
    }

    /// Starts `serve` like [`App::start`], with additional environment variables.
    pub async fn start_with(url: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_under(&[], url, args, env).await
    }

    /// Starts `serve` like [`App::start`], without `--echo`.
    pub async fn start_without_echo(url: &str, args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", MARKETSVC, url, args).await
    }

    /// Starts `serve` of another `program`, such as that of an earlier release, at the address `listen`.
    pub async fn start_at(listen: &str, program: &str, url: &str, args: &[&str]) -> Self {
        Self::spawn(&[program], listen, url, args, &[]).await
    }

    /// Starts `serve` like [`App::start_with`], through a `wrapper` command such as `setpriv` that executes it.
    pub async fn start_under(
        wrapper: &[&str],
        url: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let words = [wrapper, &[MARKETSVC]].concat();
        Self::spawn(&words, "127.0.0.1:0", url, &[&["--echo"], args].concat(), env).await
    }

    async fn spawn(
        words: &[&str],
        listen: &str,
        url: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Self {
        let mut guard = Guard::start(words[0], "TERM", |command| {
            command
                .args(&words[1..])
                .args(["serve", "--listen", listen])
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
        let line = wait_for(&log, &["listening at "]).await;
        // In a JSON log the closing characters of the line follow the address.
        let line = line.trim_end_matches(['"', '}']);
        let (before, address) = line.rsplit_once("://").expect("the address follows");
        let (_, scheme) = before.rsplit_once(' ').expect("a scheme precedes the address");
        let client = Client::new(&format!("{scheme}://{address}"));
        Self { client, address: address.to_owned(), log, guard }
    }

    /// Returns all lines logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no holder panics").clone()
    }

    /// Waits until a log line contains `text` and returns that line.
    pub async fn logged(&self, text: &str) -> String {
        wait_for(&self.log, &[text]).await
    }

    /// Waits until a log line contains all `texts` and returns that line.
    pub async fn logged_together(&self, texts: &[&str]) -> String {
        wait_for(&self.log, texts).await
    }

    /// Kills the server with SIGKILL. Linux only.
    pub fn kill(&self) {
        self.guard.kill();
    }

    /// Sends SIGTERM to the server, like a supervisor.
    pub fn stop(&mut self) {
        self.guard.stop();
    }

    /// Sends a second SIGTERM to the server. Linux only.
    pub fn stop_at_once(&self) {
        let status = Command::new("kill").args(["-TERM", &self.guard.pid()]).status();
        assert!(status.expect("kill is installed").success());
    }

    /// Returns true while the server process runs.
    pub fn is_running(&mut self) -> bool {
        self.guard.child.try_wait().expect("the server is a child process").is_none()
    }

    /// Waits for the server process to end and returns its exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) =
                self.guard.child.try_wait().expect("the server is a child process")
            {
                return status.code();
            }
            assert!(
                started.elapsed() < EVENT_TIMEOUT,
                "the server is still running:\n{}",
                self.log().join("\n")
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Limits the size of the files that the server writes, to simulate a full disk. `bytes` is a number or
    /// `unlimited`. Linux only.
    pub fn limit_files_to(&self, bytes: &str) {
        let limit = format!("--fsize={bytes}:");
        let status = Command::new("prlimit").args(["--pid", &self.guard.pid(), &limit]).status();
        assert!(status.expect("prlimit is part of util-linux").success());
    }

    /// Returns the sum of all metrics whose line starts with `name`.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.client.get("/metrics").await.body;
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        let values = lines.map(|line| line.rsplit_once(' ').expect("a value").1);
        values.map(|value| value.parse::<f64>().expect("a number")).sum()
    }

    /// Returns the peak memory of the server process so far, in kB. Linux only.
    pub fn peak_memory(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.guard.pid()));
        let status = status.expect("the server process runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Returns the soft limit of open files of the server process. Linux only.
    pub fn open_file_limit(&self) -> u32 {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.guard.pid()));
        let limits = limits.expect("the server process runs");
        let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let limit = limit.and_then(|limit| limit.split_whitespace().next()).expect("a limit");
        limit.parse().expect("a number")
    }

    /// Returns the current length of the log after all earlier requests have been logged. The log is read by
    /// another thread, so the function sends a request and waits for its line.
    pub async fn mark(&self) -> usize {
        let last = self.client.get("/").await.request_id();
        self.logged(&last).await;
        self.log().len()
    }

    /// Returns the SQL statements of `GET path`, which must succeed, without transaction control.
    pub async fn statements_of(&self, path: &str) -> Vec<String> {
        let before = self.mark().await;
        let response = self.client.get(path).await;
        response.assert_status(200);
        self.statements_until(before, &response.request_id()).await
    }

    /// Returns the SQL statements logged between line `from` and the end of request `request_id`, without
    /// transaction control.
    pub async fn statements_until(&self, from: usize, request_id: &str) -> Vec<String> {
        let echo = self.echo_until(from, request_id).await;
        echo.into_iter().filter(|echo| !echo.controls_transaction()).map(|echo| echo.sql).collect()
    }

    /// Returns everything echoed between line `from` and the end of request `request_id`: the statements and
    /// the transaction control around them.
    pub async fn echo_until(&self, from: usize, request_id: &str) -> Vec<Echo> {
        self.logged(request_id).await;
        self.echo_since(from)
    }

    /// Returns everything echoed after line `from` so far.
    pub fn echo_since(&self, from: usize) -> Vec<Echo> {
        self.log()[from..].iter().filter_map(|line| Echo::parse(line)).collect()
    }
}

async fn wait_for(log: &Mutex<Vec<String>>, texts: &[&str]) -> String {
    let started = Instant::now();
    loop {
        let lines = log.lock().expect("no holder panics").clone();
        if let Some(line) = lines.iter().find(|line| texts.iter().all(|text| line.contains(text))) {
            return line.clone();
        }
        assert!(started.elapsed() < EVENT_TIMEOUT, "{texts:?} not in:\n{}", lines.join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
