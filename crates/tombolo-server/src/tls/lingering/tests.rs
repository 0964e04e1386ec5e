use std::future::poll_fn;

use tokio::io::AsyncWriteExt;

use super::*;

const OCTETS: usize = 100_000;
const TIME: Duration = Duration::from_secs(10);

/// What is sent, with a pause before each piece; the other side does not close. How long it took until
/// it was enough.
async fn lingered(pieces: &[(Duration, usize)]) -> Duration {
    let (mut here, mut there) = tokio::io::duplex(2 * OCTETS);
    let before = Instant::now();
    let sending = async {
        for (pause, octets) in pieces {
            tokio::time::sleep(*pause).await;
            there.write_all(&vec![7; *octets]).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let mut unread = Unread::new(OCTETS as u64, TIME);
    tokio::select! {
        () = sending => unreachable!("it does not end"),
        () = poll_fn(|context| unread.poll_over(Pin::new(&mut here), context)) => before.elapsed(),
    }
}

/// n octets are thrown away, with one more it is enough at once.
#[tokio::test(start_paused = true)]
async fn what_is_thrown_away_is_bounded() {
    assert_eq!(lingered(&[(Duration::ZERO, OCTETS)]).await, SILENCE_MAX);
    assert_eq!(lingered(&[(Duration::ZERO, OCTETS + 1)]).await, Duration::ZERO);
}

/// Neither silence nor a trickle keeps a connection.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_has_an_end() {
    assert_eq!(lingered(&[]).await, SILENCE_MAX);
    let (almost, over) =
        (SILENCE_MAX - Duration::from_millis(1), SILENCE_MAX + Duration::from_millis(1));
    assert_eq!(lingered(&[(almost, 1)]).await, almost + SILENCE_MAX);
    assert_eq!(lingered(&[(over, 1)]).await, SILENCE_MAX);
    assert_eq!(lingered(&[(Duration::from_secs(1), 1); 20]).await, TIME);
}

/// Nothing is waited for once the other side has closed.
#[tokio::test(start_paused = true)]
async fn who_has_closed_is_not_waited_for() {
    let (mut here, mut there) = tokio::io::duplex(2 * OCTETS);
    there.write_all(&[7; 1000]).await.unwrap();
    drop(there);
    let before = Instant::now();
    let mut unread = Unread::new(OCTETS as u64, TIME);
    poll_fn(|context| unread.poll_over(Pin::new(&mut here), context)).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}
