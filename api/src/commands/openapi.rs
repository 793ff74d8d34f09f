//! `marketsvc openapi`

use std::io::{self, Write};

use anyhow::Result;

use crate::routes;

/// Prints the OpenAPI document.
pub fn run() -> Result<()> {
    writeln!(io::stdout(), "{}", routes::document().to_pretty_json()?)?;
    Ok(())
}
