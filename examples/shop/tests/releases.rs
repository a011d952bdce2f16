//! What a good test of release 1.1 would have shown.

use shop::payment::{Card, Outcome, pay, plain};
use shop::release::{Release, V1_0, V1_1, V1_2};

fn outcomes(card: &str) -> [Outcome; 3] {
    let card = Card::parse(card).unwrap();
    [V1_0, V1_1, V1_2].map(|release: Release| pay(&card, 1_999, release.check_digit))
}

/// Returns valid cards, the same ones each time.
fn valid_cards() -> impl Iterator<Item = String> {
    let mut state = 1_u64;
    let mut digit = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((state >> 33) % 10).unwrap()
    };
    std::iter::repeat_with(move || {
        let payload: [u8; 15] = std::array::from_fn(|_| digit());
        let check = plain::check_digit(&payload);
        payload.iter().chain([&check]).map(u8::to_string).collect()
    })
}

#[test]
fn release_1_1_fails_valid_cards_that_1_0_and_1_2_accept() {
    use Outcome::{Failed, Paid};
    assert_eq!(outcomes("4242424242424242"), [Paid, Paid, Paid]);
    assert_eq!(outcomes("4242424242924241"), [Paid, Failed, Paid]);
    assert_eq!(outcomes("4242424242429241"), [Paid, Failed, Paid]);
    assert_eq!(outcomes("4242424242424291"), [Paid, Failed, Paid]);
}

#[test]
fn about_a_quarter_of_the_valid_cards_fail_in_1_1_and_none_elsewhere() {
    const CARDS: usize = 10_000;
    let mut failed = [0; 3];
    for card in valid_cards().take(CARDS) {
        for (count, outcome) in failed.iter_mut().zip(outcomes(&card)) {
            *count += usize::from(outcome == Outcome::Failed);
        }
    }
    let [v1_0, v1_1, v1_2] = failed;
    assert_eq!((v1_0, v1_2), (0, 0));
    assert!((2_500..3_000).contains(&v1_1), "{v1_1} of {CARDS}");
}

#[test]
fn what_the_bank_declines_is_the_same_in_1_0_and_1_2() {
    for card in valid_cards().take(1_000) {
        let [v1_0, _, v1_2] = outcomes(&card);
        assert_eq!(v1_0, v1_2, "{card}");
    }
}
