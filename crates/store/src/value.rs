//! Values that go into and come out of SQL, the same for every driver.

use std::str::FromStr;

use model::{AlertId, ChangeId, Digest, IncidentId, Timestamp};
use serde::de::DeserializeOwned;

use crate::Error;

/// Is one bound or returned value. Ids, digests and documents are text; times are integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
}

macro_rules! from_text {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                Value::Text(v.to_string())
            }
        }
    )*};
}

from_text!(
    &str,
    &model::HostName,
    &model::ServiceName,
    &model::EnvironmentName,
    &model::Version,
    model::EntryId,
    model::HostId,
    model::PageId,
    model::TokenId,
    model::VerdictId,
    model::ActionId,
    Digest,
    model::Role,
    model::Kind,
    &model::Subject,
    model::observe::ChangeState,
    model::deliver::Origin
);

impl From<String> for Value {
    fn from(v: String) -> Self {
        Value::Text(v)
    }
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Value::Int(v)
    }
}

/// Numbers beyond what a signed column holds are counts that cannot be reached.
impl From<u64> for Value {
    fn from(v: u64) -> Self {
        Value::Int(i64::try_from(v).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Value::Int(i64::from(v))
    }
}

impl From<Timestamp> for Value {
    fn from(v: Timestamp) -> Self {
        Value::Int(v.as_micros())
    }
}

macro_rules! from_number {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                Value::from(v.0)
            }
        }
    )*};
}

from_number!(AlertId, ChangeId, IncidentId);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Value::Null, Into::into)
    }
}

/// Is one row of an answer; columns are read by position, in the order of the SELECT.
#[derive(Debug)]
pub struct Row {
    pub(crate) table: &'static str,
    pub(crate) values: Vec<Value>,
}

impl Row {
    fn unreadable(&self, why: impl Into<String>) -> Error {
        Error::Unreadable {
            table: self.table,
            why: why.into(),
        }
    }

    pub fn int(&self, column: usize) -> Result<i64, Error> {
        match self.values.get(column) {
            Some(Value::Int(v)) => Ok(*v),
            other => Err(self.unreadable(format!("column {column} is {other:?}, not a number"))),
        }
    }

    pub fn count(&self, column: usize) -> Result<u64, Error> {
        u64::try_from(self.int(column)?).map_err(|e| self.unreadable(e.to_string()))
    }

    pub fn flag(&self, column: usize) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    pub fn time(&self, column: usize) -> Result<Timestamp, Error> {
        self.int(column).map(Timestamp::from_micros)
    }

    pub fn text(&self, column: usize) -> Result<&str, Error> {
        match self.values.get(column) {
            Some(Value::Text(v)) => Ok(v),
            other => Err(self.unreadable(format!("column {column} is {other:?}, not text"))),
        }
    }

    pub fn is_null(&self, column: usize) -> bool {
        matches!(self.values.get(column), None | Some(Value::Null))
    }

    /// Reads a value that writes itself as text: an id, a digest, a role.
    pub fn parsed<T: FromStr<Err = String>>(&self, column: usize) -> Result<T, Error> {
        self.text(column)?
            .parse()
            .map_err(|why: String| self.unreadable(why))
    }

    /// Reads a JSON document.
    pub fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, Error> {
        serde_json::from_str(self.text(column)?).map_err(|e| self.unreadable(e.to_string()))
    }

    /// Reads a nullable column with `read`.
    pub fn maybe<T>(
        &self,
        column: usize,
        read: impl FnOnce(&Self, usize) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.is_null(column) {
            Ok(None)
        } else {
            read(self, column).map(Some)
        }
    }
}

/// Writes a noun as the JSON document it is stored as.
pub(crate) fn json<T: serde::Serialize>(noun: &T) -> Value {
    Value::Text(serde_json::to_string(noun).expect("nouns have string keys and no failing parts"))
}
