//! The one shape of an error (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Is an error as the caller sees it, sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` is what a program branches on.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    pub status: u16,
    /// Stable, such as `unknown_service`.
    pub code: String,
    /// What is wrong, in one sentence without a full stop.
    pub title: String,
    /// Where: a field, a line, a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    pub fn new(status: u16, code: &str, title: impl Into<String>) -> Self {
        Self {
            kind: about_blank(),
            status,
            code: code.to_owned(),
            title: title.into(),
            at: None,
            hint: None,
        }
    }

    #[must_use]
    pub fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for Problem {}
