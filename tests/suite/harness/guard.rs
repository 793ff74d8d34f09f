//! Processes that end with the test process, however that ends.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Starts its arguments, waits for the pipe from the test process to close, and then stops them. A line
/// says that they were killed and are to be started again. A file that outgrows a limit is an error to
/// them, not the end.
const WATCH: &str = r#"
trap "" XFSZ
"$@" & child=$!
while read -r _; do wait $child; "$@" & child=$!; done
kill -"$GUARD_SIGNAL" $child 2>/dev/null
wait $child; code=$?
[ -z "$GUARD_REMOVE" ] || rm -rf "$GUARD_REMOVE"
exit $code
"#;

/// A process under watch. Dropping it stops the process.
pub struct Guard {
    pub child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts `program`, to be stopped by `signal`; `configure` sets its arguments and the rest.
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

    /// The number of the process. Linux.
    pub fn pid(&self) -> String {
        // The shell that guards it has one child.
        children(&self.child.id().to_string()).trim().to_owned()
    }

    /// Ends the process and what it started, as a failure of the power would. Linux.
    pub fn kill(&self) {
        let pid = self.pid();
        // First it must not start any more.
        signal("STOP", &pid);
        signal("KILL", &format!("{pid} {}", children(&pid)));
    }

    /// Starts the process again after [`Self::kill`].
    pub fn start_again(&mut self) {
        let pipe = self.pipe.as_mut().expect("it was not told to stop");
        pipe.write_all(b"\n").expect("the shell waits for lines");
    }

    /// Sends the signal, and does not wait for what it does.
    pub fn stop(&mut self) {
        self.pipe = None;
    }
}

fn children(pid: &str) -> String {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.expect("Linux tells")
}

fn signal(signal: &str, pids: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {pids}")]).status();
    assert!(status.expect("sh should start").success(), "kill -{signal} {pids}");
}

/// Database servers do not run as root: who to be instead.
pub fn without_root(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    match unprivileged() {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// A directory for a server's data, which its [`Guard`] removes.
pub fn data_directory() -> PathBuf {
    let directory = tempfile::Builder::new()
        .prefix("marketsvc-test-")
        .tempdir()
        .expect("there should be a place for temporary files")
        .keep();
    if let Some((uid, gid)) = unprivileged() {
        std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).expect("root may chown");
    }
    directory
}

fn unprivileged() -> Option<(u32, u32)> {
    (id(&["-u"])? == 0).then_some(())?;
    Some((id(&["-u", "nobody"])?, id(&["-g", "nobody"])?))
}

fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port should be free");
    listener.local_addr().expect("it is bound").port()
}

/// Where `program` is: on the path, or where distributions hide servers.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(program)).find(|program| program.is_file())
}
