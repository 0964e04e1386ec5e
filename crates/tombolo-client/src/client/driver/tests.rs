use super::Clock;

#[test]
fn time_never_goes_back_and_never_stands_still() {
    let mut clock = Clock::default();
    let heard: Vec<_> = [1_000, 2_000, 500, 600, 5_000].map(|ms| clock.at(ms)).into();
    assert_eq!(heard, [1_000, 2_000, 2_000, 2_100, 6_500]);
}
