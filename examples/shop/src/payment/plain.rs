//! The card check of release 1.0: digit by digit, as the standard words it.

use super::Payload;

/// Is a [`super::CheckDigit`].
pub fn check_digit(payload: &Payload) -> u8 {
    let mut sum = 0;
    for (place, &digit) in payload.iter().enumerate() {
        sum += if place % 2 == 0 {
            doubled(digit)
        } else {
            digit
        };
    }
    (10 - sum % 10) % 10
}

fn doubled(digit: u8) -> u8 {
    if digit > 4 { 2 * digit - 9 } else { 2 * digit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_known_test_cards() {
        for card in [
            "4242424242424242",
            "4111111111111111",
            "5555555555554444",
            "6011111111111117",
            "3530111333300000",
            "9999999999999995",
        ] {
            let digits: Vec<u8> = card.bytes().map(|byte| byte - b'0').collect();
            let payload = digits[..15].try_into().unwrap();
            assert_eq!(check_digit(payload), digits[15], "{card}");
        }
    }
}
