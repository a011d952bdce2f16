//! The body of a webhook: JSON, or JSON in a form field.

use serde_json::Value;

use crate::percent;

/// Says that a body is no JSON object, and where it stops being one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON object: {0}")]
pub struct NotJson(String);

/// Reads a body as it was signed: JSON, or a form whose field `payload` holds the JSON, which is what
/// GitHub sends unless it is told otherwise.
///
/// Older Gitea writes the secret into the body; it is taken out here, so that nobody stores it.
///
/// # Errors
/// When it is neither.
pub fn read_body(bytes: &[u8]) -> Result<Value, NotJson> {
    let form = bytes.strip_prefix(b"payload=");
    let mut body: Value = match form {
        Some(field) => {
            let end = field.iter().position(|byte| *byte == b'&');
            serde_json::from_slice(&percent::decode_form(&field[..end.unwrap_or(field.len())]))
        }
        None => serde_json::from_slice(bytes),
    }
    .map_err(|error| NotJson(error.to_string()))?;
    let Some(object) = body.as_object_mut() else {
        return Err(NotJson("it is another kind of value".to_owned()));
    };
    object.remove("secret");
    Ok(body)
}
