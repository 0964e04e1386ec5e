//! The admin listener: plain HTTP, loopback only.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{AdminApi, router};

/// Serves until `stopping` turns true and requests in flight are answered, at most `drain_max`.
pub(crate) async fn serve(
    api: AdminApi,
    listener: TcpListener,
    mut stopping: watch::Receiver<bool>,
    drain_max: Duration,
) {
    let mut told = stopping.clone();
    let stop = async move {
        // The sender going away means the same as its signal.
        let _ = told.wait_for(|stopping| *stopping).await;
    };
    let serving = axum::serve(listener, router(api)).with_graceful_shutdown(stop);
    let cut_off = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(drain_max).await;
    };
    tokio::select! {
        outcome = serving => {
            if let Err(error) = outcome {
                tracing::error!(%error, "the admin listener has failed");
            }
        }
        () = cut_off => tracing::warn!("an operator's request is cut off at shutdown"),
    }
}
