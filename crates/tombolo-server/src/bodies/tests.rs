use std::convert::Infallible;

use http_body_util::{Full, StreamBody};
use hyper::body::Frame;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// n and n + 1 of one holder, who is told to come back, and of all, which is overload.
#[test]
fn octets_are_shared() {
    let bodies = Bodies::new(10, 6);
    let mut one = bodies.share_of("one");
    one.grow(6).unwrap();
    assert_eq!(one.grow(1), Err(HttpError::TooMany(1)));
    assert_eq!(bodies.share_of("one").grow(1), Err(HttpError::TooMany(1)));
    let mut other = bodies.share_of("other");
    other.grow(4).unwrap();
    assert_eq!(other.grow(1), Err(HttpError::Overloaded(1)));
    drop(one);
    other.grow(2).unwrap();
    drop(other);
    assert_eq!(bodies.held().all, 0);
    assert!(bodies.held().of.is_empty());
}

/// What is refused is not counted, and what was counted is given back.
#[tokio::test]
async fn a_body_is_counted_as_it_arrives() {
    let bodies = Bodies::new(100, 10);
    let frames = |sizes: &[usize]| {
        let frames: Vec<_> = sizes
            .iter()
            .map(|size| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; *size]))))
            .collect();
        StreamBody::new(futures_util::stream::iter(frames))
    };
    for (sizes, octets_max, expected) in [
        (&[5, 5][..], 20, Ok(10)),
        (&[5, 6], 20, Err(HttpError::TooMany(1))),
        (&[4, 4], 8, Ok(8)),
        (&[4, 5], 8, Err(HttpError::TooLarge(8))),
        (&[], 8, Ok(0)),
    ] {
        let share = bodies.share_of("peer");
        let outcome = read(frames(sizes), octets_max, SECOND, share).await;
        let held = outcome.as_ref().map_or(0, |body| body.len() as u64);
        assert_eq!(bodies.held().all, held);
        assert_eq!(outcome.map(|body| body.len()), expected, "{sizes:?}");
        assert_eq!(bodies.held().all, 0);
    }
    let share = bodies.share_of("peer");
    let announced = Full::new(Bytes::from_static(b"123456789"));
    assert_eq!(read(announced, 8, SECOND, share).await, Err(HttpError::TooLarge(8)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let bodies = Bodies::new(100, 10);
    let silent =
        StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let share = bodies.share_of("peer");
    assert_eq!(read(silent, 8, SECOND, share).await, Err(HttpError::TooSlow));
}
