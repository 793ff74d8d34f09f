//! Names and descriptions.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

use super::InvalidValue;

/// Name of a customer, an item or an API key: 1 to 200 characters, at least one of them visible, no control characters,
/// and no white space at either end, which is invisible and which MySQL ignores in comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Greatest number of characters.
    pub const MAX_CHARS: usize = 200;
}

impl TryFrom<String> for Name {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        check_text(&text, Self::MAX_CHARS)?;
        if text.is_empty() {
            return Err(InvalidValue::new("must not be empty"));
        }
        if text.trim() != text {
            return Err(InvalidValue::new("must not begin or end with a space"));
        }
        if !text.chars().any(is_visible) {
            return Err(InvalidValue::new("must have a visible character"));
        }
        Ok(Self(text))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// Start of a name, for filters: any text without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePrefix(String);

impl NamePrefix {
    /// Returns the prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NamePrefix {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        check_characters(&text)?;
        Ok(Self(text))
    }
}

/// Description of an item: at most 2,000 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Greatest number of characters.
    pub const MAX_CHARS: usize = 2000;
}

impl TryFrom<String> for Description {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        check_text(&text, Self::MAX_CHARS)?;
        Ok(Self(text))
    }
}

impl From<Description> for String {
    fn from(description: Description) -> Self {
        description.0
    }
}

fn check_text(text: &str, max_chars: usize) -> Result<(), InvalidValue> {
    if text.chars().count() > max_chars {
        return Err(InvalidValue::new(format!("must have at most {max_chars} characters")));
    }
    check_characters(text)
}

/// PostgreSQL cannot store NUL; the other control characters have no place in a name.
fn check_characters(text: &str) -> Result<(), InvalidValue> {
    if text.chars().any(char::is_control) {
        return Err(InvalidValue::new("must not contain control characters"));
    }
    Ok(())
}

/// Symbol that Unicode counts as visible: a Braille cell without dots.
const BRAILLE_BLANK: char = '\u{2800}';

/// Returns whether a reader sees the character. By its Unicode properties it is no white space, not ignorable when text
/// is displayed, and no format character other than the marks that enclose digits.
fn is_visible(character: char) -> bool {
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let is_mark = CodePointSetData::new::<PrependedConcatenationMark>().contains(character);
    let is_format = category == GeneralCategory::Format && !is_mark;
    !(character.is_whitespace() || is_ignorable || is_format || character == BRAILLE_BLANK)
}

/// Regular expression of ECMA 262 for text without control characters.
const PRINTABLE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// The same, without white space at either end.
const TRIMMED: &str = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f]([^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f])?$";

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(TRIMMED));
        text.min_length(Some(1)).max_length(Some(Self::MAX_CHARS)).into()
    }
}

impl ToSchema for Name {}

impl PartialSchema for NamePrefix {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(PRINTABLE)).into()
    }
}

impl ToSchema for NamePrefix {}

impl PartialSchema for Description {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PRINTABLE));
        text.max_length(Some(Self::MAX_CHARS)).into()
    }
}

impl ToSchema for Description {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_printable_and_of_limited_length() {
        for valid in ["x", "Zoë", "a  b", "\u{202e}rtl", "\u{301}", "\u{6dd}", &"ö".repeat(200)] {
            assert_eq!(String::from(Name::try_from(valid.to_owned()).unwrap()), valid);
        }
        for (invalid, reason) in [
            ("", "must not be empty"),
            (" a", "must not begin or end with a space"),
            ("a\u{a0}", "must not begin or end with a space"),
            ("\u{200b}", "must have a visible character"),
            ("\u{feff}\u{2060}\u{200d}", "must have a visible character"),
            ("\u{ad}", "must have a visible character"),
            ("\u{202e}\u{2066}", "must have a visible character"),
            ("\u{3164}", "must have a visible character"),
            ("\u{fe0f}\u{34f}", "must have a visible character"),
            ("\u{e0001}\u{e0fff}", "must have a visible character"),
            ("\u{fff9}", "must have a visible character"),
            ("\u{2800}", "must have a visible character"),
            ("a\u{0}b", "must not contain control characters"),
            ("a\nb", "must not contain control characters"),
            (&"x".repeat(201), "must have at most 200 characters"),
        ] {
            let error = Name::try_from(invalid.to_owned()).unwrap_err();
            assert_eq!(error.to_string(), reason, "{invalid:?}");
        }
    }

    #[test]
    fn descriptions_may_be_empty_and_have_spaces_at_the_ends() {
        for valid in ["", " ", &"y".repeat(2000)] {
            assert!(Description::try_from(valid.to_owned()).is_ok(), "{valid:?}");
        }
        for invalid in ["\t", &"y".repeat(2001)] {
            assert!(Description::try_from(invalid.to_owned()).is_err(), "{invalid:?}");
        }
    }
}
