//! Who a server is believed to be, and the encrypted connection to it.

mod connector;
mod trust;

pub(crate) use connector::Tls;
pub use trust::Distrust;
