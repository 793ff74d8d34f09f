//! Sets the commit in the version of the program: `MARKETSVC_COMMIT`, or the one that git reports.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=MARKETSVC_COMMIT");
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/refs/heads");
    let commit = std::env::var("MARKETSVC_COMMIT").ok().or_else(commit);
    println!("cargo:rustc-env=MARKETSVC_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_owned())
}
