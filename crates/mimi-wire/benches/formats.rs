//! What it costs to read and write a message; figures in `docs/benchmarks.md`.

#![expect(clippy::unwrap_used, reason = "a benchmark")]
#![expect(missing_docs, reason = "the macros of the library define public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimi_wire::content::view::ContentView;
use mimi_wire::content::{MessageId, MimiContent};
use mimi_wire::protocol::notify::FanoutMessage;
use mimi_wire::{MimiUri, Wire};

fn content(criterion: &mut Criterion) {
    let alice = MimiUri::new("mimi://a.example/u/alice").unwrap();
    let room = MimiUri::new("mimi://a.example/r/clubhouse").unwrap();
    let text = "Shall we meet at the usual place tomorrow at noon? I bring the tea.";
    let message = MimiContent::text([7; 16], &alice, &room, text);
    let octets = message.encode().unwrap();
    let mut group = criterion.benchmark_group("content");
    group.throughput(Throughput::Bytes(octets.len() as u64));
    group.bench_function("decode, check and identify a text", |bencher| {
        bencher.iter(|| {
            let content = MimiContent::decode(black_box(&octets)).unwrap();
            content.check_claims(Some(&alice), Some(&room)).unwrap();
            content.check_values().unwrap();
            content.check_expiry(1_700_000_000_000).unwrap();
            let id = MessageId::compute(&alice, &room, &octets, &content.salt);
            (content, id)
        });
    });
    group.bench_function("the same without copies", |bencher| {
        bencher.iter(|| {
            let view = ContentView::decode(black_box(&octets)).unwrap();
            view.check_claims(Some(&alice), Some(&room)).unwrap();
            view.check_values().unwrap();
            view.check_expiry(1_700_000_000_000).unwrap();
            let id = view.message_id(&alice, &room);
            (view, id)
        });
    });
    group.bench_function("the ID alone", |bencher| {
        bencher.iter(|| MessageId::compute(&alice, &room, black_box(&octets), &[7; 16]));
    });
    group.bench_function("decode a text", |bencher| {
        bencher.iter(|| MimiContent::decode(black_box(&octets)).unwrap());
    });
    group.bench_function("decode a text without copies", |bencher| {
        bencher.iter(|| ContentView::decode(black_box(&octets)).unwrap());
    });
    group.bench_function("decode a text as any CBOR (ciborium)", |bencher| {
        bencher.iter(|| {
            ciborium::from_reader::<ciborium::Value, _>(black_box(octets.as_slice())).unwrap()
        });
    });
    group.bench_function("encode a text", |bencher| {
        bencher.iter(|| black_box(&message).encode().unwrap());
    });
    group.finish();
}

fn fanout(criterion: &mut Criterion) {
    let objects: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/mls-objects.json")).unwrap();
    for (object, name) in [
        ("application", "decode an application message"),
        ("commit", "decode a commit"),
        ("proposal", "decode a proposal"),
    ] {
        let message = hex::decode(objects[object].as_str().unwrap()).unwrap();
        let octets = [1_700_000_000_000_u64.to_be_bytes().to_vec(), message, vec![0]].concat();
        let mut group = criterion.benchmark_group("fanout");
        group.throughput(Throughput::Bytes(octets.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| FanoutMessage::decode(black_box(&octets)).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, content, fanout);
criterion_main!(benches);
