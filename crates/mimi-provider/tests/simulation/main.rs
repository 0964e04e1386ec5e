//! A hub and two followers as state machines, without MLS, sockets or clocks: requests are lost,
//! doubled and overtaken, answers go missing, every node is killed at any moment and comes back
//! with what it had stored. In the end every follower has every entry once and in order, timestamps
//! grow, memberships are right, and nothing that was acknowledged is missing (FLOW-16).

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "shared with the unit tests, which use the rest")]
#[path = "../../src/fixture.rs"]
mod fixture;

mod actors;
mod disk;
mod follower;
mod hub;
mod verdict;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// Things that happen in one run before everything is put right.
const STEPS: usize = 150;

/// Where chance comes from: the same seed gives the same run.
pub(crate) struct Chance(u64);

impl Chance {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(mixed ^ (mixed >> 31)) * u128::try_from(end).unwrap();
        usize::try_from(wide >> 64).unwrap()
    }

    /// True once in `of` times.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of several, if there is any.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }
}

fn run(seed: u64) {
    let mut world = World::new(Chance(seed));
    for _ in 0..STEPS {
        world.step();
    }
    world.heal();
    verdict::check(&mut world);
}

fn run_all(seeds: Range<u64>) {
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
            panic!("seed {seed}: {text}");
        }
    }
}

// In parts, to run side by side.

#[test]
fn seeds_below_700() {
    run_all(0..700);
}

#[test]
fn seeds_below_1400() {
    run_all(700..1400);
}

#[test]
fn seeds_below_2100() {
    run_all(1400..2100);
}

/// The runs are worth something: they meet what they are there for.
#[test]
fn the_runs_are_eventful() {
    let mut seen = world::Seen::default();
    for seed in 0..50 {
        let mut world = World::new(Chance(seed));
        for _ in 0..STEPS {
            world.step();
        }
        world.heal();
        verdict::count(&mut world);
        seen.add(&world.seen);
    }
    let all = [
        seen.messages,
        seen.commits,
        seen.welcomes,
        seen.proposals,
        seen.external_joins,
        seen.refusals,
        seen.repeated_answers,
        seen.repeated_notifies,
        seen.crashes_with_writes_queued,
    ];
    assert!(all.iter().all(|count| *count >= 20), "{seen:?}");
}
