//! keepalived.conf: from text to `Config`, with every finding located.
pub mod model;
