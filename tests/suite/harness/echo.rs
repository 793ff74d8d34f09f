//! SQL statements logged by `--echo`.

use serde_json::Value;

/// A statement logged with target `echo`.
#[derive(Clone, Debug)]
pub struct Echo {
    /// The statement with its values.
    pub sql: String,
    pub milliseconds: f64,
}

impl Echo {
    /// Reads a log line in the text or the JSON format; `None` if it has another target than `echo`.
    pub fn parse(line: &str) -> Option<Self> {
        let message = if let Ok(json) = serde_json::from_str::<Value>(line) {
            (json["target"] == "echo").then(|| json["message"].as_str().map(str::to_owned))??
        } else {
            let (head, message) = line.strip_prefix('[')?.split_once("] ")?;
            head.ends_with(" echo").then(|| message.to_owned())?
        };
        let duration = |text: &str| {
            let (number, outcome) = text.strip_suffix(')')?.split_once(" ms")?;
            ["", ", failed"].contains(&outcome).then(|| number.parse().ok())?
        };
        let parsed = message.rsplit_once('(').and_then(|(sql, end)| Some((sql, duration(end)?)));
        let (sql, milliseconds) = parsed.unwrap_or_else(|| panic!("no duration in {line}"));
        Some(Self { sql: sql.trim_end().to_owned(), milliseconds })
    }

    /// Returns true for BEGIN, COMMIT, ROLLBACK and the statements for savepoints.
    pub fn controls_transaction(&self) -> bool {
        let words = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT"];
        words.iter().any(|word| self.sql.starts_with(word))
    }
}
