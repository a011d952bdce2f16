//! Prometheus remote write 1.0: a protobuf `WriteRequest` in a snappy *block* (not the framed format).
//!
//! ```text
//! WriteRequest { timeseries = 1 { labels = 1 { name = 1, value = 2 }, samples = 2 { value = 1 double,
//!   timestamp = 2 int64 ms }, exemplars = 3, histograms = 4 }, metadata = 3 }
//! ```
//!
//! Source: Prometheus remote-write specification 1.0. A field that equals zero is absent on the wire;
//! fields we do not know are skipped, so that newer senders are understood.

mod decode;
mod encode;
mod protobuf;

pub use decode::{DecodeError, Refused, Request, Skipped, decode, decode_request};
pub use encode::encode;
pub use protobuf::{Fault, Malformed};

#[cfg(test)]
mod tests;
