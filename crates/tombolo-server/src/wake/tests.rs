use std::time::Duration;

use super::*;

fn uri(text: &str) -> MimiUri {
    MimiUri::new(text).unwrap()
}

async fn is_woken(listener: &Listener) -> bool {
    tokio::time::timeout(Duration::from_millis(20), listener.woken()).await.is_ok()
}

#[tokio::test]
async fn who_watches_is_woken() {
    let wake = Wake::default();
    let listener = wake.listen(&uri("mimi://a.example/d/alice/phone"));
    listener.watch([uri("mimi://a.example/r/club"), uri("mimi://a.example/r/club")]);
    wake.stream(&uri("mimi://a.example/r/other"));
    assert!(!is_woken(&listener).await);
    wake.stream(&uri("mimi://a.example/r/club"));
    assert!(is_woken(&listener).await);
    assert!(!is_woken(&listener).await);
}

/// A hint that comes while the store is read is not lost.
#[tokio::test]
async fn a_hint_before_the_wait_counts() {
    let wake = Wake::default();
    let listener = wake.listen(&uri("mimi://a.example/d/alice/phone"));
    listener.watch([uri("mimi://a.example/r/club")]);
    wake.stream(&uri("mimi://a.example/r/club"));
    wake.stream(&uri("mimi://a.example/r/club"));
    assert!(is_woken(&listener).await);
}

#[tokio::test]
async fn a_client_that_joins_is_woken_from_then_on() {
    let wake = Wake::default();
    let alice = uri("mimi://a.example/d/alice/phone");
    let (first, second) = (wake.listen(&alice), wake.listen(&alice));
    let bob = wake.listen(&uri("mimi://a.example/d/bob/phone"));
    wake.join(&alice, &uri("mimi://a.example/r/club"));
    assert!(is_woken(&first).await && is_woken(&second).await);
    wake.stream(&uri("mimi://a.example/r/club"));
    assert!(is_woken(&first).await && is_woken(&second).await);
    assert!(!is_woken(&bob).await);
}

#[tokio::test]
async fn nothing_is_left_of_who_has_gone() {
    let wake = Wake::default();
    let alice = uri("mimi://a.example/d/alice/phone");
    let (first, second) = (wake.listen(&alice), wake.listen(&alice));
    first.watch([uri("mimi://a.example/r/club")]);
    second.watch([uri("mimi://a.example/r/club")]);
    drop(first);
    wake.stream(&uri("mimi://a.example/r/club"));
    assert!(is_woken(&second).await);
    drop(second);
    let registry = wake.registry();
    assert!(registry.listeners.is_empty());
    assert!(registry.by_stream.is_empty() && registry.by_client.is_empty());
}
