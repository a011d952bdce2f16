//! The name of a server's key, by which a host or a person knows the server whoever signed its certificate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Digest, Secret};

/// Names the public key of a server: the SHA-256 of its `SubjectPublicKeyInfo` in DER (the bytes RFC 7469 hashes),
/// written as 64 hexadecimal digits.
///
/// A certificate may be renewed, with other names and dates; as long as it is for the same key, this is the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPin(Digest);

impl KeyPin {
    /// Names the key of a `SubjectPublicKeyInfo` in DER.
    pub fn of_public_key(der: &[u8]) -> Self {
        Self(Digest::of(der))
    }

    /// Returns a join token that brings its host to the server with this key and to no other.
    pub fn behind(self, secret: &str) -> String {
        format!("{secret}.{self}")
    }
}

/// Splits a join token into what the server is shown, and the server's key where the token names it.
///
/// # Errors
/// A token that was cut or changed behind its point: without the whole key it would trust more than was meant.
pub fn split_join_token(token: &str) -> Result<(Secret, Option<KeyPin>), String> {
    let token = token.trim();
    let Some((secret, pin)) = token.split_once('.') else {
        return Ok((Secret::new(token), None));
    };
    let pin = pin.parse().map_err(|why: String| {
        format!("this join token is not whole: behind its point stands the server's key, and {why}")
    })?;
    Ok((Secret::new(secret), Some(pin)))
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads 64 hexadecimal digits of either case, as tools print them.
impl FromStr for KeyPin {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim().to_ascii_lowercase();
        let digest = format!("sha256:{digits}").parse();
        digest.map(Self).map_err(|_| {
            let shown: String = digits.chars().take(100).collect();
            format!(
                "`{}` is not the SHA-256 of a public key: 64 hexadecimal digits, here {}",
                shown.escape_debug(),
                digits.chars().count()
            )
        })
    }
}

impl Serialize for KeyPin {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyPin {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pin_is_the_hash_of_the_key_and_of_nothing_else() {
        // `openssl pkey -pubin -outform der | sha256sum` over the Ed25519 key of RFC 8410, section 10.1.
        let spki = "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        let der: Vec<u8> = (0..spki.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&spki[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(
            KeyPin::of_public_key(&der).to_string(),
            "a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f"
        );
    }

    #[test]
    fn a_token_says_which_key_its_server_has_or_nothing_of_it() {
        let pin = KeyPin::of_public_key(b"key");
        let (secret, found) = split_join_token(&format!(" {}\n", pin.behind("swt_1"))).unwrap();
        assert_eq!((secret.reveal(), found), ("swt_1", Some(pin)));
        let (secret, found) = split_join_token("swt_1").unwrap();
        assert_eq!((secret.reveal(), found), ("swt_1", None));
    }

    #[test]
    fn a_token_that_was_cut_is_refused_with_what_is_missing() {
        let why = split_join_token("swt_1.abc").unwrap_err();
        assert!(why.contains("not whole"), "{why}");
        assert!(why.ends_with("64 hexadecimal digits, here 3"), "{why}");
        assert!(!why.contains("swt_1"), "{why}");
    }

    proptest! {
        #[test]
        fn what_was_joined_is_split_again(key: Vec<u8>, secret in "[0-9a-z_]{0,80}") {
            let pin = KeyPin::of_public_key(&key);
            let (shown, found) = split_join_token(&pin.behind(&secret)).unwrap();
            prop_assert_eq!(shown.reveal(), secret);
            prop_assert_eq!(found, Some(pin));
        }

        #[test]
        fn a_pin_that_lost_or_won_a_digit_is_refused(
            key: Vec<u8>,
            at in 0usize..64,
            instead in "([0-9a-f]{2,3}|[^0-9a-fA-F\\s]?)",
        ) {
            let mut pin = KeyPin::of_public_key(&key).to_string();
            pin.replace_range(at..=at, &instead);
            let token = format!("swt_1.{pin}");
            prop_assert!(split_join_token(&token).is_err(), "{}", token);
        }

        #[test]
        fn any_text_ends_in_a_token_or_a_sentence(text in "\\PC*") {
            match split_join_token(&text) {
                Ok((secret, None)) => prop_assert_eq!(secret.reveal(), text.trim()),
                Ok((_, Some(pin))) => prop_assert!(text.to_lowercase().contains(&pin.to_string())),
                Err(why) => prop_assert!(why.contains("not whole")),
            }
        }
    }
}
