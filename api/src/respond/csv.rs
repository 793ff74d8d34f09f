//! Comma-separated values (RFC 4180) without cells that a spreadsheet would run as formulas, whether it splits the lines
//! at commas, semicolons or tabs.

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
        writer.write_record(record.into_iter().map(escape_formulas))?;
    }
    writer.flush()?;
    Ok(())
}

/// Characters at which a spreadsheet may begin another cell. Quotes do not prevent that: they count only at the start of
/// what the spreadsheet takes for a cell.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

/// Characters that begin a formula: <https://owasp.org/www-community/attacks/CSV_Injection>.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Puts an apostrophe before a cell that begins like a formula, and after each separator in it that would begin such a
/// cell.
fn escape_formulas(cell: String) -> String {
    if !cell.contains(FORMULA) && !cell.starts_with(SEPARATORS) {
        return cell;
    }
    let mut escaped = String::with_capacity(cell.len() + 1);
    let mut rest = cell.as_str();
    for part in cell.split_inclusive(SEPARATORS) {
        if begins_like_formula(rest) {
            escaped.push('\'');
        }
        escaped.push_str(part);
        rest = rest.strip_prefix(part).unwrap_or_default();
    }
    escaped
}

/// Quotes and white space are ignored, as a spreadsheet may do.
fn begins_like_formula(text: &str) -> bool {
    let skipped = |letter: char| letter == '"' || letter.is_whitespace();
    text.starts_with(['\t', '\r', '\n']) || text.trim_start_matches(skipped).starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_escaped() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1", " =1", "\"=1"] {
            assert_eq!(escape_formulas(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "Bread", "1-1", "10.50", "a;b", "a=b;c", "a;b-c", "\"a\""] {
            assert_eq!(escape_formulas(cell.to_owned()), cell);
        }
        for (cell, expected) in [
            ("x;=1+1", "x;'=1+1"),
            ("x;y;-1;z", "x;y;'-1;z"),
            ("x; \"=1\"", "x;' \"=1\""),
            ("x\t@a", "x\t'@a"),
            ("=1;+2", "'=1;'+2"),
            ("x;;=1", "x;;'=1"),
        ] {
            assert_eq!(escape_formulas(cell.to_owned()), expected);
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
                // Nothing but apostrophes is added, and none where there is no formula.
                prop_assert_eq!(read.replace('\'', ""), given.replace('\'', ""));
                let is_harmless = !given.contains(FORMULA) && !given.starts_with(SEPARATORS);
                prop_assert!(read == given || !is_harmless, "{read:?} {given:?}");
            }
        }

        #[test]
        fn no_cell_is_a_formula_wherever_the_lines_are_split(
            rows in vec(vec(prop_oneof!["(?s).{0,20}", "[=+@\"',; \t\r\n-]{0,6}.{0,5}"], 3), 0..4),
            separator in prop_oneof![Just(b';'), Just(b'\t'), Just(b',')],
            quoting: bool,
        ) {
            let mut text = Rows::HEADER.join(",").into_bytes();
            text.extend(b"\r\n");
            append(&Rows(rows), &mut text).unwrap();
            let mut reader = ::csv::ReaderBuilder::new();
            let quoting = quoting || separator == b',';
            reader.delimiter(separator).quoting(quoting).flexible(true).has_headers(false);
            for record in reader.from_reader(&*text).records() {
                for cell in &record.unwrap() {
                    prop_assert!(!cell.trim_start().starts_with(FORMULA), "{cell:?}");
                }
            }
        }
    }
}
