//! Paying by card: the order to the bank and what became of it.

mod bank;
pub mod fast_1_1;
pub mod fast_1_2;
pub mod plain;

/// The digits of a card before its check digit.
pub type Payload = [u8; 15];

/// Returns the check digit that belongs to a payload.
///
/// Source: ISO/IEC 7812-1, annex B (Luhn). From the left every digit at an even place is doubled; of a
/// doubled digit above 9 the two digits are added, which is the same as subtracting 9; the check digit
/// fills the sum of all up to a multiple of ten.
pub type CheckDigit = fn(&Payload) -> u8;

/// Is a card number of 16 digits, right or mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// Each 0 to 9.
    payload: Payload,
    typed_check: u8,
}

impl Card {
    /// Reads 16 digits without blanks; nothing else is a card number.
    pub fn parse(text: &str) -> Option<Card> {
        let digits: [u8; 16] = text.as_bytes().try_into().ok()?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (payload, typed_check) = (&digits[..15], digits[15]);
        Some(Card {
            payload: std::array::from_fn(|i| payload[i] - b'0'),
            typed_check: typed_check - b'0',
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Paid,
    /// By the bank; it is about the card or the account.
    Declined,
    /// By us; the customer did nothing wrong.
    Failed,
}

/// Asks the bank for the money.
///
/// The order carries the check digit as *we* compute it, so that the bank notices an order that was
/// damaged on its way.
pub fn pay(card: &Card, amount_cents: u32, check_digit: CheckDigit) -> Outcome {
    let order = bank::Order {
        payload: card.payload,
        typed_check: card.typed_check,
        computed_check: check_digit(&card.payload),
        amount_cents,
    };
    match bank::charge(&order) {
        Ok(()) => Outcome::Paid,
        Err(bank::Refusal::Declined) => Outcome::Declined,
        Err(bank::Refusal::Damaged) => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay_plain(card: &str, cents: u32) -> Outcome {
        pay(&Card::parse(card).unwrap(), cents, plain::check_digit)
    }

    #[test]
    fn a_card_number_has_sixteen_digits() {
        for wrong in [
            "",
            "424242424242424",
            "42424242424242422",
            "4242 4242 4242 42",
            "４２",
        ] {
            assert_eq!(Card::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_bank_decides_about_cards_and_accounts() {
        assert_eq!(pay_plain("4242424242424242", 1_999), Outcome::Paid);
        assert_eq!(pay_plain("4242424242424241", 1_999), Outcome::Declined);
        assert_eq!(pay_plain("4242424242424242", 100_001), Outcome::Declined);
        assert_eq!(pay_plain("4000000000000135", 1_999), Outcome::Declined);
    }
}
