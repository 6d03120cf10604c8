//! `TCP_CHECK`: whether the server takes a connection. Nothing is sent, and the connection is closed in order (FIN)
//! unless the target says otherwise.

use crate::connect::connect;
use crate::{Target, Verdict};

/// Connects and closes.
pub async fn probe(target: &Target) -> Verdict {
    connect(target).await.map(|_closed_here| "connected".to_string()).into()
}
