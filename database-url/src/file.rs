//! Files of SQLite databases, which only their owner may read.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::{Backend, DatabaseUrl};

/// Permission to read and write for the owner only.
const OWNER_ONLY: u32 = 0o600;

impl DatabaseUrl {
    /// Creates the file of a SQLite database with mode 0600 if it does not exist and the URL has `mode=rwc`. SQLite gives
    /// its write-ahead log and the index of the log the mode of the file.
    ///
    /// A file that exists is neither changed nor opened: closing it would release the locks that SQLite holds on it. If
    /// the file cannot be created, SQLite says why when it opens it.
    pub fn create_file(&self) {
        let Some(file) = self.new_file() else { return };
        let path = Path::new(&file);
        if !path.exists() {
            // The file may be there by now: a link to a missing file, or the file of another process.
            let mut options = OpenOptions::new();
            let _ = options.write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path);
        }
    }

    /// Returns the path of the file that SQLite may create, as its driver reads it.
    fn new_file(&self) -> Option<String> {
        let (file, options) = self.hosts.first()?.split_once('?')?;
        let may_create = form_urlencoded::parse(options.as_bytes())
            .filter(|(key, _)| key == "mode")
            .any(|(_, value)| value == "rwc");
        if self.backend != Backend::Sqlite || !may_create {
            return None;
        }
        let file = file.trim_start_matches("sqlite://").trim_start_matches("sqlite:");
        percent_decode_str(file).decode_utf8().ok().map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> Option<u32> {
        fs::metadata(path).ok().map(|file| file.permissions().mode() & 0o777)
    }

    #[test]
    fn a_missing_file_is_created_for_its_owner_only() {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let create = |name: &str, options: &str| {
            let url = format!("sqlite://{}{options}", path(name).display());
            url.parse::<DatabaseUrl>().unwrap().create_file();
        };
        create("new.db", "?mode=rwc");
        create("a%20b.db", "?cache=private&mode=rwc");
        create("none.db", "");
        create("none.db", "?mode=rw");
        create("no/directory.db", "?mode=rwc");
        std::os::unix::fs::symlink(path("target.db"), path("link.db")).unwrap();
        create("link.db", "?mode=rwc");
        for (name, expected) in [
            ("new.db", Some(0o600)),
            ("a b.db", Some(0o600)),
            ("none.db", None),
            ("target.db", Some(0o600)),
        ] {
            assert_eq!(mode(&path(name)), expected, "{name}");
        }
        fs::write(path("old.db"), "content").unwrap();
        fs::set_permissions(path("old.db"), fs::Permissions::from_mode(0o640)).unwrap();
        create("old.db", "?mode=rwc");
        assert_eq!(mode(&path("old.db")), Some(0o640));
        assert_eq!(fs::read(path("old.db")).unwrap(), b"content");
    }
}
