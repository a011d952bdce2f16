//! Percent-encoding (RFC 3986, section 2.1).

/// Undoes percent-encoding. A sign that begins no pair of digits stays as it is.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, pair(after)) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &after[2..];
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Undoes the encoding of a form's field, where a space is a plus.
pub(crate) fn decode_form(field: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = field
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    decode(&spaced)
}

fn pair(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_lone_signs_stay() {
        assert_eq!(decode(b"a%20b%2"), b"a b%2");
        assert_eq!(decode(b"%zz%C3%A9%"), "%zz\u{e9}%".as_bytes());
        assert_eq!(decode_form(b"a+b%2Bc"), b"a b+c");
    }
}
