//! `TCP_CHECK`: whether a connection comes about. Nothing is sent; it is closed in order.

use crate::{Target, Verdict, connect};

/// Connects and closes.
pub async fn probe(target: &Target) -> Verdict {
    match connect::connect(target).await {
        Ok(_stream) => Verdict::Pass { detail: "connected".to_owned() },
        Err(why) => Verdict::Fail(why),
    }
}
