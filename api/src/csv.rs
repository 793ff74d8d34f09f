//! Comma-separated values (RFC 4180) that a spreadsheet takes for data only.

use actix_web::HttpResponse;
use futures_util::Stream;
use service::list::Page;

use crate::{problem::Problem, streaming::stream};

/// Something with lines in a CSV file.
pub trait CsvRow {
    /// What the columns are called.
    const HEADER: &'static [&'static str];

    /// Its lines, as many cells as there are columns each.
    fn records(&self) -> Vec<Vec<String>>;
}

/// Sends the rows of all pages with a header.
pub async fn csv<Row: CsvRow + 'static>(
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let header = Row::HEADER.join(",") + "\r\n";
    stream(pages, "text/csv; charset=utf-8", header.into_bytes(), append, &[]).await
}

fn append<Row: CsvRow>(row: &Row, text: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(text);
    for record in row.records() {
        writer.write_record(record.into_iter().map(harmless))?;
    }
    writer.flush()?;
    Ok(())
}

/// A cell that begins like a formula is set off by an apostrophe:
/// <https://owasp.org/www-community/attacks/CSV_Injection>.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"] {
            assert_eq!(harmless(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "Bread", "1-1", "10.50"] {
            assert_eq!(harmless(cell.to_owned()), cell);
        }
    }
}
