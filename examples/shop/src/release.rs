//! The three releases and what tells them apart.

use crate::payment::{CheckDigit, fast_1_1, fast_1_2, plain};

/// Is one release of the shop.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    pub version: &'static str,
    pub check_digit: CheckDigit,
}

/// The first one: the card check as it stands in the textbook.
pub const V1_0: Release = Release {
    version: "1.0",
    check_digit: plain::check_digit,
};

/// "Card check five times faster": reviewed, its tests are green, and it fails one valid card in four.
pub const V1_1: Release = Release {
    version: "1.1",
    check_digit: fast_1_1::check_digit,
};

/// The fast check, put right.
pub const V1_2: Release = Release {
    version: "1.2",
    check_digit: fast_1_2::check_digit,
};
