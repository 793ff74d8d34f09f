//! Comma-separated values (RFC 4180) without cells that a spreadsheet would run as formulas.

use actix_web::HttpResponse;
use futures_util::Stream;
use service::pagination::Page;

use super::{problem::Problem, stream::StreamResponder};

/// Row of a list with its records in a CSV file.
pub trait CsvRow {
    /// Names of the columns.
    const HEADER: &'static [&'static str];

    /// Returns the records, each with a cell for every column.
    fn records(&self) -> Vec<Vec<String>>;
}

/// Sends a header and the records of all pages.
pub async fn csv<Row: CsvRow + 'static>(
    responder: StreamResponder,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let header = Row::HEADER.join(",") + "\r\n";
    responder.send(pages, "text/csv; charset=utf-8", header.into_bytes(), append, &[]).await
}

fn append<Row: CsvRow>(row: &Row, text: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(text);
    for record in row.records() {
        writer.write_record(record.into_iter().map(escape_formula))?;
    }
    writer.flush()?;
    Ok(())
}

/// Puts an apostrophe before a cell that begins like a formula:
/// <https://owasp.org/www-community/attacks/CSV_Injection>.
fn escape_formula(cell: String) -> String {
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
    fn formulas_are_escaped() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"] {
            assert_eq!(escape_formula(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "Bread", "1-1", "10.50"] {
            assert_eq!(escape_formula(cell.to_owned()), cell);
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    struct Rows(Vec<Vec<String>>);

    impl CsvRow for Rows {
        const HEADER: &'static [&'static str] = &["one", "two", "three"];

        fn records(&self) -> Vec<Vec<String>> {
            self.0.clone()
        }
    }

    proptest! {
        #[test]
        fn every_cell_is_read_back_and_none_is_a_formula(
            rows in vec(vec(prop_oneof!["(?s).{0,20}", "[=+@\"',;\t\r\n-]{1,3}.{0,5}"], 3), 0..4),
        ) {
            let mut text = Rows::HEADER.join(",").into_bytes();
            text.extend(b"\r\n");
            append(&Rows(rows.clone()), &mut text).unwrap();
            let mut reader = ::csv::Reader::from_reader(&*text);
            let read: Vec<Vec<String>> = reader.deserialize().map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), rows.len());
            for (read, given) in read.iter().flatten().zip(rows.iter().flatten()) {
                prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{read:?}");
                prop_assert!(read == given || *read == format!("'{given}"), "{read:?} {given:?}");
            }
        }
    }
}
