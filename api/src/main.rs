//! The program `marketsvc`.

use std::process::ExitCode;

fn main() -> ExitCode {
    api::main()
}
