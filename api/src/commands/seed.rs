//! `marketsvc seed`

use std::io::{self, Write};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use service::seed::{Plan, Progress};

use super::database::DatabaseArgs;

/// Rows to fill the database with.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load the tutorial's rows, with their ids
    Demo,
    /// Generate plausible rows, the same for the same seed
    Generate {
        /// Number of customers, each with an address
        #[arg(long, value_name = "N")]
        customers: u32,
        /// Number of items
        #[arg(long, value_name = "N")]
        items: u32,
        /// Number of orders, of 1 to 5 lines, over two years
        #[arg(long, value_name = "N")]
        orders: u32,
        /// Seed of the random number generator
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

/// Fills an empty database; fails, and changes nothing, if it is not empty.
pub async fn run(database: &DatabaseArgs, command: Command) -> Result<()> {
    let db = database.open().await?;
    let report = match command {
        Command::Demo => {
            service::seed::demo(&db).await?;
            "loaded 3 customers, 4 items and 3 orders".to_owned()
        }
        Command::Generate { customers, items, orders, seed } => {
            let plan = Plan { customers, items, orders, seed };
            service::seed::generate(&db, plan, progress_bar()).await?;
            format!("made {customers} customers, {items} items and {orders} orders")
        }
    };
    db.close().await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

/// Returns a callback that draws a bar on a terminal, and elsewhere prints a line for each tenth.
fn progress_bar() -> impl Fn(Progress) + Send + Sync {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} rows, {eta} left")
    {
        bar.set_style(style);
    }
    move |Progress { done, total }| {
        let tenths = |done: u64| done.saturating_mul(10) / total.max(1);
        let before = bar.position();
        bar.set_length(total);
        bar.set_position(done);
        if bar.is_hidden() && tenths(done) > tenths(before) {
            let _ = writeln!(io::stderr(), "{done}/{total} rows");
        }
        if done == total {
            bar.finish_and_clear();
        }
    }
}
