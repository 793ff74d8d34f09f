//! Comma-separated values (RFC 4180) that a spreadsheet takes for data only.

use actix_web::{HttpRequest, HttpResponse};
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
    request: &HttpRequest,
    pages: impl Stream<Item = service::Result<Page<Row>>> + 'static,
) -> Result<HttpResponse, Problem> {
    let header = Row::HEADER.join(",") + "\r\n";
    stream(request, pages, "text/csv; charset=utf-8", header.into_bytes(), append, &[]).await
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
        fn every_cell_comes_back_and_none_is_a_formula(
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
