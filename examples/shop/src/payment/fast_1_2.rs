//! The card check of release 1.2: the issuer by table, the account without a branch.

use super::Payload;

/// How many digits name the issuer and its product. They take few values, so that the lines of the table
/// they touch stay in the cache; the five digits of the account are as good as random.
const ISSUER_DIGITS: usize = 10;

/// By two digits, of which the first is doubled: what they add to the sum.
static PAIRS: [u8; 100] = pairs();

const fn pairs() -> [u8; 100] {
    let mut table = [0; 100];
    let mut pair = 0;
    while pair < 100 {
        let (first, second) = (pair / 10, pair % 10);
        table[pair as usize] = 2 * first - if first > 4 { 9 } else { 0 } + second;
        pair += 1;
    }
    table
}

/// Is a [`super::CheckDigit`].
pub fn check_digit(payload: &Payload) -> u8 {
    let (issuer, account) = payload.split_at(ISSUER_DIGITS);
    let sum = issuer_sum(issuer) + account_sum(account);
    (10 - sum % 10) % 10
}

fn issuer_sum(digits: &[u8]) -> u8 {
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| PAIRS[usize::from(10 * pair[0] + pair[1])])
        .sum()
}

fn account_sum(digits: &[u8]) -> u8 {
    let doubled: u8 = digits.iter().step_by(2).map(|digit| doubled(*digit)).sum();
    let single: u8 = digits.iter().skip(1).step_by(2).sum();
    doubled + single
}

/// Subtracts 9 without a branch. The remainder by 9, as in 1.1, turns a doubled 9 into 0, where it is 9.
fn doubled(digit: u8) -> u8 {
    2 * digit - 9 * u8::from(digit > 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::plain;

    #[test]
    fn every_digit_at_every_place_counts_as_in_the_plain_check() {
        for place in 0..15 {
            for digit in 0..10 {
                let mut payload = [0; 15];
                payload[place] = digit;
                let (fast, plain) = (check_digit(&payload), plain::check_digit(&payload));
                assert_eq!(fast, plain, "digit {digit} at place {place}");
            }
        }
    }
}
