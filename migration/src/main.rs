//! The command `cargo run -p migration -- up|down|status|fresh|refresh|reset`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

/// Apply, roll back or list the schema migrations of a marketplace database
#[derive(Parser)]
#[command(name = "migration", version)]
struct Cli {
    /// Database URL, as for `marketsvc`
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://marketplace.db?mode=rwc"
    )]
    database_url: String,
    #[command(subcommand)]
    command: migration::Command,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("warn"));
    let cli = Cli::parse();
    // Write errors are ignored: a closed output stream cannot report them.
    match run(&cli).await {
        Ok(report) => {
            let _ = writeln!(io::stdout(), "{}", report.join("\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(migration::run(&cli.database_url.parse()?, cli.command).await?)
}
