//! `marketsvc seed`

use std::io::{self, Write};

use anyhow::Result;
use service::seed::Plan;

use super::{database::DatabaseArgs, progress::progress_bar};

/// Rows to fill the database with.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load the tutorial's rows, with their ids
    Demo,
    /// Generate plausible rows, the same for the same seed; run again after an interruption, it continues
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

/// Fills an empty database, or completes an interrupted run. Fails, and changes nothing, if there is other data.
pub async fn run(database: &DatabaseArgs, command: Command) -> Result<()> {
    let db = database.open().await?;
    let report = match command {
        Command::Demo => {
            service::seed::demo(&db).await?;
            "loaded 3 customers, 4 items and 3 orders".to_owned()
        }
        Command::Generate { customers, items, orders, seed } => {
            let plan = Plan { customers, items, orders, seed };
            service::seed::generate(&db, plan, &progress_bar()).await?;
            format!("made {customers} customers, {items} items and {orders} orders")
        }
    };
    db.close().await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}
