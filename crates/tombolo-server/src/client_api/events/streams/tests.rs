use mimi_wire::MimiUri;

use super::Streams;

fn uri(text: &str) -> MimiUri {
    text.parse().unwrap()
}

#[tokio::test]
async fn streams_take_turns_and_are_forgotten() {
    let streams = Streams::default();
    let (phone, laptop) =
        (uri("mimi://a.example/d/alice/phone"), uri("mimi://a.example/d/alice/laptop"));
    let mut first = streams.begin(&phone);
    let other = streams.begin(&laptop);
    assert!(!first.is_over());
    let second = streams.begin(&phone);
    first.over().await;
    assert!(first.is_over() && !second.is_over() && !other.is_over());
    drop(first);
    assert!(!second.is_over(), "the end of the first is not the end of the second");
    drop((second, other));
    assert!(streams.open().by_client.is_empty());
}
