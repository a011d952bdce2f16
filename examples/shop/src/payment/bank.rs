//! Stands for the bank, which is not ours: it answers the same for every release of the shop.

use super::{Payload, plain};

pub(super) struct Order {
    pub(super) payload: Payload,
    /// What the customer typed.
    pub(super) typed_check: u8,
    /// What the shop computed.
    pub(super) computed_check: u8,
    pub(super) amount_cents: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such card, not enough money, or more than one payment may be.
    Declined,
    /// The order contradicts itself; the sender has to look into it.
    Damaged,
}

/// The most one payment may be.
const MOST_CENTS: u32 = 100_000;
/// One account in this many has no money on it, as in life.
const EMPTY_ACCOUNTS: u32 = 50;

pub(super) fn charge(order: &Order) -> Result<(), Refusal> {
    let right_check = plain::check_digit(&order.payload);
    if order.computed_check != right_check {
        return Err(Refusal::Damaged);
    }
    let no_such_card = order.typed_check != right_check;
    if no_such_card || order.amount_cents > MOST_CENTS || is_empty(&order.payload) {
        return Err(Refusal::Declined);
    }
    Ok(())
}

fn is_empty(payload: &Payload) -> bool {
    let account = payload[10..]
        .iter()
        .fold(0, |number, digit| 10 * number + u32::from(*digit));
    account % EMPTY_ACCOUNTS == 13
}
