//! What a role leaves to its successor: bytes that nobody between the two reads, in the form of the channel. Both are of one
//! program (`/proc/self/exe`); what outlives it is JSON (`kept`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use tracing::warn;

/// One value of the predecessor's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Legacy(#[serde(with = "serde_bytes")] Box<[u8]>);

impl Legacy {
    /// Writes it down; `None`, and a line in the log, if it is of a kind that can't be written.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T, what: impl std::fmt::Display) -> Option<Legacy> {
        let bytes = postcard::to_allocvec(value);
        let bytes = bytes.inspect_err(|e| warn!("the state of {what} can't be kept for a successor: {e}")).ok()?;
        Some(Legacy(bytes.into()))
    }

    /// Reads it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> io::Result<T> {
        read(&self.0)
    }

    /// Bytes that may be no value at all.
    #[cfg(test)]
    pub(crate) fn raw(bytes: &[u8]) -> Legacy {
        Legacy(bytes.into())
    }
}

/// Reads a value that fills these bytes.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    match postcard::take_from_bytes(bytes).map_err(io::Error::other)? {
        (value, []) => Ok(value),
        (_, rest) => Err(io::Error::other(format!("{} bytes too many", rest.len()))),
    }
}
