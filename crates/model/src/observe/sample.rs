//! One series and its values.

use crate::{Labels, Timestamp};

/// Is a run of samples of one series; `labels` include `__name__`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// In the order they came, usually by time.
    pub samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Millisecond precision on the wire.
    pub at: Timestamp,
    /// May be NaN or infinite; that is for the reader to refuse.
    pub value: f64,
}
