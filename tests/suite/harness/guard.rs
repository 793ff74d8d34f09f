//! Child processes that end together with the test process, even if that is killed.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Shell script that runs its arguments as a command until the pipe from the test process closes, then
/// stops it. A line on the pipe starts the command again after it was killed. SIGXFSZ is ignored, so that a
/// write beyond the file size limit fails with an error instead of ending the command.
const WATCH: &str = r#"
trap "" XFSZ
"$@" & child=$!
while read -r _; do wait $child; "$@" & child=$!; done
kill -"$GUARD_SIGNAL" $child 2>/dev/null
wait $child; code=$?
[ -z "$GUARD_REMOVE" ] || rm -rf "$GUARD_REMOVE"
exit $code
"#;

/// A guarded child process. The process stops when this is dropped.
pub struct Guard {
    pub child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts `program`, which `signal` will stop; `configure` sets its arguments and environment.
    pub fn start(
        program: impl AsRef<Path>,
        signal: &str,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(program.as_ref()).env("GUARD_SIGNAL", signal);
        configure(&mut command);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("sh should start");
        let pipe = child.stdin.take().expect("stdin is piped");
        Self { child, pipe: Some(pipe) }
    }

    /// Returns the id of the process. Linux only.
    pub fn pid(&self) -> String {
        // The guarding shell has exactly one child.
        children(&self.child.id().to_string()).trim().to_owned()
    }

    /// Kills the process and its children with SIGKILL, to simulate a power failure. Linux only.
    pub fn kill(&self) {
        let pid = self.pid();
        // A stopped process cannot start further children.
        signal("STOP", &pid);
        signal("KILL", &format!("{pid} {}", children(&pid)));
    }

    /// Sends a signal, such as `STOP`, to the process. Linux only.
    pub fn signal(&self, name: &str) {
        signal(name, &self.pid());
    }

    /// Starts the process again after [`Self::kill`], or when it has ended after a signal.
    pub fn start_again(&mut self) {
        let pipe = self.pipe.as_mut().expect("the process was not told to stop");
        pipe.write_all(b"\n").expect("the shell reads lines");
    }

    /// Sends the signal without waiting for the process to end.
    pub fn stop(&mut self) {
        self.pipe = None;
    }
}

fn children(pid: &str) -> String {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.expect("/proc lists child processes")
}

fn signal(signal: &str, pids: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {pids}")]).status();
    assert!(status.expect("sh should start").success(), "kill -{signal} {pids}");
}

/// Sets an unprivileged user if the tests run as root, because database servers refuse to run as root.
pub fn without_root(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    match unprivileged() {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// Creates a data directory for a database server; its [`Guard`] removes it.
pub fn data_directory() -> PathBuf {
    let directory = tempfile::Builder::new()
        .prefix("marketsvc-test-")
        .tempdir()
        .expect("a temporary directory should be creatable")
        .keep();
    if let Some((uid, gid)) = unprivileged() {
        std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).expect("root may chown");
    }
    directory
}

/// Returns the user and the group that servers run as if the tests run as root.
pub fn unprivileged() -> Option<(u32, u32)> {
    (id(&["-u"])? == 0).then_some(())?;
    Some((id(&["-u", "nobody"])?, id(&["-g", "nobody"])?))
}

fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Returns a port of 127.0.0.1 that is currently free.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port should be free");
    listener.local_addr().expect("the listener is bound").port()
}

/// Finds `program` on the path or in the directories that distributions use for servers.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(program)).find(|program| program.is_file())
}
