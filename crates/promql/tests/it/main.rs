//! The language from outside: Prometheus' own scripts, scripts of our own, and properties.

mod properties;
mod scripts;
mod text;
