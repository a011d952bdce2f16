//! A text that does not end up in logs.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Holds a token, a password, or an address with one in it.
///
/// `Debug` shows that there is one and nothing of it; there is no `Display` and no `Serialize`, so that
/// printing one by mistake does not compile.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text away, for the one place that sends or stores it; the name makes each use easy to
    /// find.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_secret_shows_nothing_of_it() {
        let token = Some(Secret::new("swt_123"));
        assert_eq!(format!("{token:?} {token:#?}").matches("swt").count(), 0);
        assert_eq!(token.as_ref().map(Secret::reveal), Some("swt_123"));
    }
}
