//! Answers that are only to be read: named facts and tables.
//!
//! The package manager answers some forty questions. Were each a type, pkgctl would carry a renderer for
//! each; so pkgd says what there is to see, and pkgctl lays it out: as text in 80 columns, or as JSON with
//! the same names. What a program has to act upon is never in a sheet alone.

use serde::{Deserialize, Deserializer, Serialize};

/// A field of a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// Nothing is known, or there is nothing: shown as `-`, in JSON `null`.
    None,
    /// Text of one line, not trusted: pkgctl takes control characters out before a terminal sees it.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A number of bytes: shown as `1.2 MiB`, in JSON the number.
    Bytes(u64),
    /// A change of a number of bytes: shown with its sign.
    Change(i64),
    /// A point in time, milliseconds since the Unix epoch.
    Time(u64),
    /// A length of time in microseconds.
    Duration(u64),
    /// Yes or no.
    Flag(bool),
    /// Several of them: shown with commas between. No lists: a field that came from outside has no depth.
    List(#[serde(deserialize_with = "flat")] Vec<Field>),
}

/// A field that is no list, numbered as in [`Field`].
#[derive(Deserialize)]
enum Flat {
    None,
    Text(String),
    Number(i64),
    Bytes(u64),
    Change(i64),
    Time(u64),
    Duration(u64),
    Flag(bool),
}

impl From<Flat> for Field {
    fn from(flat: Flat) -> Self {
        match flat {
            Flat::None => Self::None,
            Flat::Text(text) => Self::Text(text),
            Flat::Number(number) => Self::Number(number),
            Flat::Bytes(bytes) => Self::Bytes(bytes),
            Flat::Change(bytes) => Self::Change(bytes),
            Flat::Time(at) => Self::Time(at),
            Flat::Duration(micros) => Self::Duration(micros),
            Flat::Flag(flag) => Self::Flag(flag),
        }
    }
}

fn flat<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Field>, D::Error> {
    Ok(Vec::<Flat>::deserialize(from)?.into_iter().map(Field::from).collect())
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its title and its name in JSON: small letters and `_`.
    pub name: String,
    /// Numbers stand at the right.
    pub right: bool,
}

/// Rows with the same fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Its name in JSON, small letters and `_`; on a screen it is a title where a sheet has several grids.
    pub name: String,
    /// The columns. The last one wraps where it is too long for the screen.
    pub columns: Vec<Column>,
    /// The rows, each with a field for each column.
    pub rows: Vec<Vec<Field>>,
}

/// An answer to be read, in the order in which it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// What it is about: the `type` of the JSON object, `package`, `generations`, ...
    pub kind: String,
    /// Single values, each with its name in JSON (small letters and `_`).
    pub facts: Vec<(String, Field)>,
    /// Tables, after the facts.
    pub grids: Vec<Grid>,
    /// Whole sentences, at the end: what it comes to, what to do next. In JSON `notes`.
    pub notes: Vec<String>,
    /// Something is wrong that the verb was to find out (damage, a conflict): the exit status says so.
    pub alarm: bool,
}

impl Sheet {
    /// An empty sheet.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, field: impl Into<Field>) -> Self {
        self.facts.push((name.to_owned(), field.into()));
        self
    }

    /// Adds a table. A column whose name starts with `>` stands at the right.
    #[must_use]
    pub fn grid(mut self, name: &str, columns: &[&str], rows: Vec<Vec<Field>>) -> Self {
        let column = |title: &&str| Column {
            name: title.trim_start_matches('>').to_owned(),
            right: title.starts_with('>'),
        };
        let columns = columns.iter().map(column).collect();
        self.grids.push(Grid { name: name.to_owned(), columns, rows });
        self
    }

    /// Adds a sentence.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// The fact of this name.
    pub fn find(&self, name: &str) -> Option<&Field> {
        self.facts.iter().find(|(n, _)| n == name).map(|(_, field)| field)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Field {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Field {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Field {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Field {
    fn from(field: Option<T>) -> Self {
        field.map_or(Self::None, Into::into)
    }
}

impl<T: Into<Self>> FromIterator<T> for Field {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Field;

    fn round(field: &Field) -> Option<Field> {
        postcard::from_bytes(&postcard::to_allocvec(field).unwrap()).ok()
    }

    #[test]
    fn every_field_comes_back() {
        let plain = [
            Field::None,
            Field::from("x"),
            Field::Number(-1),
            Field::Bytes(1),
            Field::Change(-2),
            Field::Time(3),
            Field::Duration(4),
            Field::Flag(true),
        ];
        for field in plain.iter().cloned().chain([Field::List(plain.to_vec())]) {
            assert_eq!(round(&field), Some(field));
        }
    }

    /// Each list in a list costs the reader stack: 20 KB of them killed it.
    #[test]
    fn lists_in_lists_are_refused() {
        let nested = Field::List(vec![Field::List(vec![Field::None])]);
        assert_eq!(round(&nested), None);
        let deep: Vec<u8> = [8, 1].repeat(100_000);
        assert!(postcard::from_bytes::<Field>(&deep).is_err());
    }
}
