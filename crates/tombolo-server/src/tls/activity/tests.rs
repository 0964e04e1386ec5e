use std::convert::Infallible;

use super::*;

const FIRST: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(300);
const ANSWER: Duration = Duration::from_secs(60);
const PATIENCE: Patience = Patience { first_max: FIRST, idle_max: IDLE, answer_max: ANSWER };

#[tokio::test(start_paused = true)]
async fn a_connection_without_requests_ends_soon() {
    let (activity, before) = (Activity::new(), Instant::now());
    assert_eq!(activity.none(|| PATIENCE).await, Silence::NoRequest);
    assert_eq!(before.elapsed(), FIRST);
}

#[tokio::test(start_paused = true)]
async fn a_connection_at_work_stays() {
    let activity = Activity::new();
    let busy = Busy::new(&activity.0);
    let long = tokio::time::timeout(10 * IDLE, activity.none(|| PATIENCE)).await;
    assert!(long.is_err(), "a request is being answered");
    drop(busy);
    let before = Instant::now();
    assert_eq!(activity.none(|| PATIENCE).await, Silence::NoRequest);
    assert_eq!(before.elapsed(), IDLE);
}

/// A stream may wait for what it has to say, but not for whoever is to hear it.
#[tokio::test(start_paused = true)]
async fn pieces_are_to_be_taken() {
    use futures_util::stream::{self, StreamExt};
    use http_body_util::BodyExt;

    let activity = Activity::new();
    let pieces = stream::iter([Ok::<_, Infallible>("one"), Ok("two")]).chain(stream::pending());
    let busy = Busy::new(&activity.0);
    let mut answer = Pieces { body: Body::from_stream(pieces), busy };
    let long = tokio::time::timeout(10 * IDLE, activity.none(|| PATIENCE)).await;
    assert!(long.is_err(), "nothing has been handed out");
    for _ in 0..2 {
        answer.frame().await.unwrap().unwrap();
        let before = Instant::now();
        assert_eq!(activity.none(|| PATIENCE).await, Silence::AnswerNotTaken);
        assert_eq!(before.elapsed(), ANSWER);
    }
    let idle = tokio::time::timeout(10 * IDLE, async {
        tokio::join!(answer.frame(), activity.none(|| PATIENCE))
    });
    assert!(idle.await.is_err(), "it has all been taken, and goes on");
    drop(answer);
    assert_eq!(activity.none(|| PATIENCE).await, Silence::NoRequest);
}

/// An answer that nobody takes ends the connection, whatever else goes on there.
#[tokio::test(start_paused = true)]
async fn an_answer_is_to_be_taken() {
    let activity = Activity::new();
    let mut slow = Busy::new(&activity.0);
    let _at_work = Busy::new(&activity.0);
    slow.answered();
    let before = Instant::now();
    assert_eq!(activity.none(|| PATIENCE).await, Silence::AnswerNotTaken);
    assert_eq!(before.elapsed(), ANSWER);
    let mut taken = Busy::new(&activity.0);
    taken.answered();
    drop((slow, taken));
    let long = tokio::time::timeout(10 * IDLE, activity.none(|| PATIENCE)).await;
    assert!(long.is_err(), "all answers have been taken, one is being made");
}
