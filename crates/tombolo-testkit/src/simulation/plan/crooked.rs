//! What is planned beside the rest where somebody keeps no rule: scenes that otherwise are rare, misdeeds of
//! clients and providers, a hub that cheats. It is drawn from random numbers of its own, so that a seed's
//! other steps are what they are without it.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use mimi_policy::preset::Preset;

use super::{Action, Deed, Fault, Happening, Misdeed, Plan, Step};
use crate::rng;

/// Of 100 plans so many have a hub that cheats.
const CROOKED_OF_100: u32 = 40;

/// Adds to a plan what nobody should do.
pub(super) fn add(seed: u64, plan: &mut Plan) {
    let mut rng = rng(seed ^ 0x6372_6f6f_6b65_6421);
    let begin_ms = plan.steps.get(plan.steps.len() / 4).map_or(0, |step| step.at_ms);
    let end_ms = plan.steps.last().map_or(0, |step| step.at_ms).max(begin_ms + 1_000);
    let people = plan.people.len();
    let mut more = Vec::new();
    for _ in 0..rng.random_range(3..8) {
        let at_ms = rng.random_range(begin_ms..end_ms);
        scene(&mut rng, people, at_ms, &mut more);
    }
    for _ in 0..rng.random_range(15..35) {
        let at_ms = rng.random_range(begin_ms..end_ms + 5_000);
        let misdeed = *Misdeed::ALL.choose(&mut rng).expect("some");
        let (room, user) = (rng.random_range(0..4), rng.random_range(0..people));
        let action = Action::Deed(Deed::Mis { misdeed, room, user });
        more.push(act(&mut rng, people, at_ms, action));
    }
    if rng.random_range(0..100) < CROOKED_OF_100 {
        let provider = rng.random_range(0..plan.domains.len());
        for _ in 0..rng.random_range(1..3) {
            let at_ms = rng.random_range(begin_ms / 2..begin_ms + (end_ms - begin_ms) / 3);
            let for_ms = rng.random_range(5_000..60_000);
            let what = Happening::Fault(Fault::CrookedHub { provider, for_ms });
            more.push(Step { at_ms, what });
        }
        // Its rooms see what others refuse.
        for _ in 0..10 {
            let at_ms = rng.random_range(begin_ms..end_ms);
            let (room, user) = (rng.random_range(0..4), rng.random_range(0..people));
            let deed = Deed::Mis { misdeed: Misdeed::ChangesUnasked, room, user };
            more.push(act(&mut rng, people, at_ms, Action::Deed(deed)));
        }
    }
    plan.has_crooks = true;
    plan.steps.extend(more);
    plan.steps.sort_by_key(|step| step.at_ms);
    plan.calm_ms = plan.calm_ms.max(end_ms + 65_000);
}

fn act(rng: &mut StdRng, people: usize, at_ms: u64, action: Action) -> Step {
    let (person, device) = (rng.random_range(0..people), rng.random_range(0..4));
    Step { at_ms, what: Happening::Act { person, device, action } }
}

/// Several steps that belong together.
fn scene(rng: &mut StdRng, people: usize, at_ms: u64, steps: &mut Vec<Step>) {
    let person = rng.random_range(0..people);
    let other = (person + rng.random_range(1..people)) % people;
    let room = rng.random_range(0..4);
    let both_leave = |device| {
        let what = Happening::Act { person, device, action: Action::Leave { room } };
        Step { at_ms: at_ms + 5, what }
    };
    let mut by = |person, after_ms, action| {
        let what = Happening::Act { person, device: 0, action };
        steps.push(Step { at_ms: at_ms + after_ms, what });
    };
    match rng.random_range(0..8) {
        // Links: used by more than may, taken back, run out.
        0 | 1 => {
            let preset = *[Preset::Strict, Preset::Moderated].choose(rng).expect("two");
            by(person, 0, Action::CreateRoom { preset });
            let lasts_ms = *[None, None, Some(4_000)].choose(rng).expect("three");
            by(person, 1_200, Action::Deed(Deed::CreateLink { room, uses: 1, lasts_ms }));
            for (joiner, at) in (0..people).zip(0u64..) {
                by(joiner, 1_600 + at * 100, Action::Deed(Deed::JoinByNewestLink));
            }
            if rng.random() {
                by(person, 2_800, Action::Deed(Deed::RemoveNewestLink { room }));
            }
            for joiner in 0..people {
                by(joiner, 3_400, Action::Leave { room });
                by(joiner, 6_500, Action::Deed(Deed::JoinByNewestLink));
            }
        }
        // Two direct rooms for the same people, one of which gives way.
        2 => {
            by(person, 0, Action::Accept { user: other });
            by(other, 0, Action::Accept { user: person });
            by(person, 500, Action::OpenDirect { user: other });
            by(other, 500 + rng.random_range(0..200), Action::OpenDirect { user: person });
            by(person, 2_000, Action::Write { room });
        }
        // A room in a room, and somebody who has to go from both.
        3 => {
            by(person, 0, Action::Deed(Deed::Subroom { room, user: other }));
            by(person, 1_200, Action::Deed(Deed::AddToNewestRoom { user: other }));
            by(person, 2_500, Action::Deed(Deed::RemoveFromParent { user: other }));
            by(person, 3_000, Action::Ban { room, user: other });
        }
        // All want the KeyPackages of one at once.
        5 => {
            by(person, 0, Action::Accept { user: other });
            for asking in (0..people).filter(|asking| *asking != person) {
                by(person, 10, Action::Accept { user: asking });
                let keys = Deed::Mis { misdeed: Misdeed::KeysUnasked, room, user: person };
                by(asking, 700, Action::Deed(keys));
                by(asking, 701, Action::Deed(keys));
            }
        }
        // Two devices of one person leave at once.
        6 => {
            steps.extend((0..2).map(both_leave));
        }
        // A device that is lost.
        4 => {
            by(person, 0, Action::AddDevice);
            by(person, 3_000, Action::Add { room, user: person });
            by(person, 5_000, Action::SignOutDevice { device: rng.random_range(1..3) });
        }
        // Somebody is banned, or only may not write, and tries.
        _ => {
            by(person, 0, Action::Ban { room, user: other });
            let misdeed = Misdeed::ChangesUnasked;
            by(person, 800, Action::Deed(Deed::Mis { misdeed, room, user: other }));
            by(other, 900, Action::Deed(Deed::JoinAnew { room }));
            by(other, 1_000, Action::Leave { room });
            let misdeed = Misdeed::WritesAfterLeaving;
            by(other, 1_150, Action::Deed(Deed::Mis { misdeed, room, user: other }));
            by(other, 1_400, Action::Deed(Deed::Mis { misdeed, room, user: other }));
        }
    }
}
