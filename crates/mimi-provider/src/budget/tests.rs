use super::*;

const RATE: Rate = Rate::new(3, 100);

/// At the limit and one beyond; what was spent comes back one by one.
#[test]
fn it_runs_out_and_comes_back() {
    let mut budgets = Budgets::default();
    for _ in 0..3 {
        assert_eq!(budgets.take("eve", RATE, 1, 5_000), Ok(()));
    }
    assert_eq!(budgets.take("eve", RATE, 1, 5_000), Err(100));
    assert_eq!(budgets.take("eve", RATE, 1, 5_099), Err(1));
    assert_eq!(budgets.take("alice", RATE, 1, 5_000), Ok(()), "another's is another's");
    assert_eq!(budgets.take("eve", RATE, 1, 5_100), Ok(()));
    assert_eq!(budgets.take("eve", RATE, 1, 5_100), Err(100));
    assert_eq!(budgets.take("eve", RATE, 3, 6_000), Ok(()), "never more than at first");
    assert_eq!(budgets.take("eve", RATE, 1, 6_000), Err(100));
    assert_eq!(budgets.take("bob", RATE, 4, 5_000), Err(100), "more than there ever is");
}

/// What is spent beyond the end has to come back first; what is given back is there at once.
#[test]
fn it_can_be_exceeded_and_given_back() {
    let mut budgets = Budgets::default();
    budgets.spend("eve", RATE, 5, 1_000);
    assert_eq!(budgets.wait_ms(&"eve", RATE, 1, 1_000), 300);
    budgets.give_back(&"eve", RATE);
    assert_eq!(budgets.wait_ms(&"eve", RATE, 1, 1_000), 200);
    budgets.give_back(&"alice", RATE);
    assert_eq!(budgets.remembered(), 1);
}

/// What is refused by one budget is taken from none.
#[test]
fn all_or_none() {
    let (wide, narrow) = (Rate::new(2, 100), Rate::new(1, 1_000));
    let mut budgets = Budgets::default();
    assert_eq!(budgets.take_all([("wide", wide), ("narrow", narrow)], 0), Ok(()));
    for _ in 0..5 {
        assert_eq!(budgets.take_all([("wide", wide), ("narrow", narrow)], 0), Err(1_000));
    }
    assert_eq!(budgets.take("wide", wide, 1, 0), Ok(()));
    assert_eq!(budgets.take("wide", wide, 1, 0), Err(100));
}

/// Memory is bounded, and whoever has spent most is remembered longest.
#[test]
fn forgotten_budgets_are_the_fuller_ones() {
    let mut budgets = Budgets::default();
    for number in 0..REMEMBERED_MAX {
        let spent = if number == 7 { 3 } else { 1 + (number % 2) as u64 };
        assert_eq!(budgets.take(number, RATE, spent, 0), Ok(()));
    }
    assert_eq!(budgets.remembered(), REMEMBERED_MAX);
    assert_eq!(budgets.take(usize::MAX, RATE, 1, 0), Ok(()), "there is room for one more");
    assert_eq!(budgets.remembered(), 2, "the fuller half is forgotten, and all that is as full");
    assert!(budgets.take(7, RATE, 1, 0).is_err(), "who has spent most is remembered");
}

/// Those that are whole again go first, and no others then.
#[test]
fn whole_budgets_are_forgotten_first() {
    let mut budgets = Budgets::default();
    for number in 0..REMEMBERED_MAX {
        assert_eq!(budgets.take(number, RATE, 1 + (number % 2) as u64, 0), Ok(()));
    }
    assert_eq!(budgets.take(usize::MAX, RATE, 1, 100), Ok(()));
    assert_eq!(budgets.remembered(), REMEMBERED_MAX / 2 + 1);
}
