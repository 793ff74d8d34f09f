//! Booleans in environment variables. A word that is not known is an error: for some switches either reading of it
//! would be the dangerous one.

use std::ffi::OsStr;

use clap::{Arg, Command, Error, builder::TypedValueParser, error::ErrorKind};

/// Parser of the words for true and false.
#[derive(Clone, Copy, Debug)]
pub struct StrictBoolean;

impl TypedValueParser for StrictBoolean {
    type Value = bool;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<bool, Error> {
        value.to_str().and_then(parse).ok_or_else(|| {
            let variable = arg.and_then(Arg::get_env).map_or_else(
                || "a switch".to_owned(),
                |variable| variable.to_string_lossy().into_owned(),
            );
            let message = format!(
                "{variable} must be true or false, 1 or 0, yes or no, or on or off, and is `{}`\n",
                value.display()
            );
            Error::raw(ErrorKind::InvalidValue, message).with_cmd(cmd)
        })
    }
}

fn parse(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_pairs_of_words_are_booleans() {
        for (text, expected) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("1", Some(true)),
            ("Yes", Some(true)),
            ("on", Some(true)),
            ("False", Some(false)),
            ("0", Some(false)),
            ("no", Some(false)),
            ("OFF", Some(false)),
            ("", None),
            ("disabled", None),
            ("none", None),
            ("false ", None),
            (" true", None),
            ("n", None),
            ("f", None),
            ("t", None),
            ("2", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_other_text_is_neither_true_nor_false(text in prop_oneof!["(?s).*", "[a-zA-Z01 ]{0,6}"]) {
            let words = ["true", "1", "yes", "on", "false", "0", "no", "off"];
            let known = words.into_iter().any(|word| word.eq_ignore_ascii_case(&text));
            prop_assert_eq!(parse(&text).is_some(), known);
        }
    }
}
