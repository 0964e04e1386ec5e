use super::*;

const FIRST: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn a_connection_without_requests_ends_soon() {
    let (activity, before) = (Activity::new(), Instant::now());
    activity.none(FIRST, IDLE).await;
    assert_eq!(before.elapsed(), FIRST);
}

#[tokio::test(start_paused = true)]
async fn a_connection_at_work_stays() {
    let activity = Activity::new();
    let busy = Busy::new(&activity.0);
    let long = tokio::time::timeout(10 * IDLE, activity.none(FIRST, IDLE)).await;
    assert!(long.is_err(), "a request is being answered");
    drop(busy);
    let before = Instant::now();
    activity.none(FIRST, IDLE).await;
    assert_eq!(before.elapsed(), IDLE);
}
