//! `marketsvc seed`

use std::io::{self, Write};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use service::seed::{Plan, Progress};

use crate::cli::DatabaseArgs;

/// What to fill the database with.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load the tutorial's rows, with their ids
    Demo,
    /// Make plausible rows, the same for the same seed
    Generate {
        /// Customers, each with an address
        #[arg(long, value_name = "N")]
        customers: u32,
        /// Items
        #[arg(long, value_name = "N")]
        items: u32,
        /// Orders of 1 to 5 lines, over two years
        #[arg(long, value_name = "N")]
        orders: u32,
        /// What the rows are drawn from
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
}

/// Fills an empty database, or leaves it as it is.
pub async fn run(database: &DatabaseArgs, command: Command) -> Result<()> {
    let db = database.open().await?;
    let report = match command {
        Command::Demo => {
            service::seed::demo(&db).await?;
            "loaded 3 customers, 4 items and 3 orders".to_owned()
        }
        Command::Generate { customers, items, orders, seed } => {
            let plan = Plan { customers, items, orders, seed };
            service::seed::generate(&db, plan, show()).await?;
            format!("made {customers} customers, {items} items and {orders} orders")
        }
    };
    db.close().await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

/// A bar on a terminal, a line every tenth of the way elsewhere.
fn show() -> impl Fn(Progress) + Send + Sync {
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
