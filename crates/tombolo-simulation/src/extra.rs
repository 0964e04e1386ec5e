//! What happens in this layer beside the plan that both share: it has its own random numbers, so
//! that plans stay what they are.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tombolo_testkit::simulation::plan::{Action, Faults, Plan};

use crate::facade::Facade;

/// How much of it there is, at most.
const COUNT_MAX: usize = 8;

/// So much people do while something is wrong, in so many milliseconds.
const STIRRED: usize = 4;
const STIRRED_MS: u64 = 5_000;

/// Something that pure state machines have no use for.
#[derive(Clone, Debug)]
pub enum Extra {
    /// A person does something that no plan has.
    Act {
        /// The person.
        person: usize,
        /// Which of the devices it has then.
        device: usize,
        /// What it does.
        action: Action,
    },
    /// A provider, or a device, that keeps no rule does some things of its own accord.
    Misdeed,
    /// A provider is stopped as its operator stops it, and starts again.
    Shutdown {
        /// The provider.
        provider: usize,
        /// How long it takes until the start, its stop included.
        down_ms: u64,
    },
    /// Something else answers in a provider's place.
    StandIn {
        /// The provider.
        provider: usize,
        /// What answers.
        facade: Facade,
        /// How long.
        for_ms: u64,
    },
    /// A device takes its time with each event.
    SlowReader {
        /// The person.
        person: usize,
        /// Which of its devices.
        device: usize,
        /// For each event.
        pause_ms: u64,
        /// How long.
        for_ms: u64,
    },
    /// A provider cannot write, for longer than a plan says.
    FullDisk {
        /// The provider.
        provider: usize,
        /// How long.
        for_ms: u64,
    },
    /// What a provider writes takes long, and it stops in the middle of a write.
    FrailProvider {
        /// The provider.
        provider: usize,
        /// When.
        end: FrailEnd,
    },
    /// The same of a device.
    FrailDevice {
        /// The person.
        person: usize,
        /// Which of its devices.
        device: usize,
        /// When.
        end: FrailEnd,
    },
    /// A hub tells its followers different things of the same entries.
    Equivocation {
        /// The hub.
        provider: usize,
        /// How long.
        for_ms: u64,
    },
}

/// When whoever is frail stops.
#[derive(Clone, Copy, Debug)]
pub struct FrailEnd {
    /// After so many writes it is one more.
    pub writes: u64,
    /// And where that is a provider, something is half done.
    pub moment: Moment,
    /// So long after that began.
    pub after_ms: u64,
}

/// What is half done when a provider stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Anything.
    Any,
    /// Something has arrived and is not looked at.
    Arrival,
    /// Somebody is to be removed from rooms.
    Removal,
    /// A peer has not been sent everything.
    Delivery,
}

/// How long a write takes where somebody is frail, at most.
pub const FRAIL_SYNC_MS: u64 = 400;

/// What happens when, in order of time.
pub fn extras(seed: u64, plan: &Plan, faults: Faults) -> Vec<(u64, Extra)> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x6578_7472);
    let last_ms = plan.steps.last().map_or(0, |step| step.at_ms);
    let count = rng.random_range(1..=COUNT_MAX);
    let mut extras = Vec::new();
    for _ in 0..count {
        let at_ms = rng.random_range(2_000..=last_ms.max(2_000));
        let extra = extra(&mut rng, plan, faults);
        let is_quiet = matches!(extra, Extra::Act { .. } | Extra::Misdeed);
        for (after_ms, action, person) in story(&mut rng, plan, &extra) {
            extras.push((at_ms + after_ms, Extra::Act { person, device: 0, action }));
        }
        extras.push((at_ms, extra));
        // What goes wrong while nobody does anything shows nothing.
        for _ in 0..if is_quiet { 0 } else { STIRRED } {
            extras.push((at_ms + rng.random_range(0..STIRRED_MS), stir(&mut rng, plan)));
        }
    }
    extras.sort_by_key(|(at_ms, _)| *at_ms);
    extras
}

/// What people do for something to show: when, what and who.
fn story(rng: &mut StdRng, plan: &Plan, extra: &Extra) -> Vec<(u64, Action, usize)> {
    let anybody = 0..plan.people.len();
    let user = rng.random_range(anybody.clone());
    let device = rng.random_range(0..3);
    match *extra {
        // Somebody is in both rooms, and then in one.
        Extra::Act { person, action: Action::CreateSubroom { .. }, .. } => {
            let add = |(after_ms, room)| (after_ms, Action::Add { room, user }, person);
            let mut story: Vec<_> = [1_000, 1_400, 1_800].into_iter().zip(0..3).map(add).collect();
            let room = rng.random_range(0..3);
            story.push((5_000, Action::Remove { room, user }, person));
            story
        }
        Extra::FrailProvider { provider, end } => {
            let domain = plan.domains[provider];
            let is_here = |it: &usize| plan.people[*it].domain == domain;
            let (here, there): (Vec<_>, Vec<_>) = anybody.partition(is_here);
            let Some(user) = here.first().copied() else { return Vec::new() };
            let at_ms = rng.random_range(200..2_000);
            match end.moment {
                Moment::Removal => vec![(at_ms, Action::SignOutDevice { device }, user)],
                Moment::Arrival => there
                    .into_iter()
                    .map(|person| (at_ms, Action::Accept { user }, person))
                    .collect(),
                Moment::Any | Moment::Delivery => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// Somebody does something.
fn stir(rng: &mut StdRng, plan: &Plan) -> Extra {
    let person = rng.random_range(0..plan.people.len());
    let device = rng.random_range(0..3);
    let (room, user) = (rng.random_range(0..4), rng.random_range(0..plan.people.len()));
    let action = match rng.random_range(0..8) {
        0 => Action::Accept { user },
        1 => Action::Add { room, user },
        2 => Action::Rename { room },
        4 => Action::Join { room },
        3 if rng.random_range(0..3) == 0 => Action::SignOutDevice { device },
        _ => Action::Write { room },
    };
    Extra::Act { person, device, action }
}

fn extra(rng: &mut StdRng, plan: &Plan, faults: Faults) -> Extra {
    let provider = rng.random_range(0..plan.domains.len());
    let person = rng.random_range(0..plan.people.len());
    let device = rng.random_range(0..3);
    let for_ms = rng.random_range(500..20_000);
    let most = match faults {
        Faults::None => 8,
        Faults::Honest => 30,
        Faults::All | Faults::Crooked => 31,
    };
    match rng.random_range(0..most) {
        0..4 => Extra::Act { person, device, action: action(rng, plan) },
        4..8 => Extra::Misdeed,
        8..11 => Extra::Shutdown { provider, down_ms: for_ms / 2 },
        11..16 => {
            let facade = *Facade::ALL.choose(rng).expect("some");
            Extra::StandIn { provider, facade, for_ms }
        }
        16..18 => {
            Extra::SlowReader { person, device, pause_ms: rng.random_range(50..1_500), for_ms }
        }
        18..22 => Extra::FrailProvider { provider, end: frail_end(rng) },
        22..26 => Extra::FrailDevice { person, device, end: frail_end(rng) },
        26..30 => Extra::FullDisk { provider, for_ms },
        _ => Extra::Equivocation { provider, for_ms },
    }
}

fn frail_end(rng: &mut StdRng) -> FrailEnd {
    let moments = [Moment::Any, Moment::Any, Moment::Arrival, Moment::Removal, Moment::Delivery];
    let moment = *moments.choose(rng).expect("some");
    let writes = if moment == Moment::Any { rng.random_range(0..8) } else { 0 };
    let latest = if moment == Moment::Any { FRAIL_SYNC_MS / 2 } else { 40 };
    FrailEnd { writes, moment, after_ms: rng.random_range(1..latest) }
}

fn action(rng: &mut StdRng, plan: &Plan) -> Action {
    let room = rng.random_range(0..4);
    match rng.random_range(0..4) {
        0..2 => Action::CreateSubroom { room },
        2 => Action::SignOutDevice { device: rng.random_range(0..3) },
        _ => Action::Remove { room, user: rng.random_range(0..plan.people.len()) },
    }
}
