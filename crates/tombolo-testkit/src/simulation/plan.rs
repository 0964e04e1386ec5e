//! What people do and what goes wrong, drawn from a seed before anything happens.
//!
//! Numbers of rooms, messages and people are wishes: whoever carries a step out takes them modulo what
//! there is then. So a plan is meaningful in every layer, whatever has become of its earlier steps.

mod crooked;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use mimi_policy::preset::Preset;

use crate::rng;

/// Domains of providers, in order.
pub const DOMAINS: &[&str] = &["a.example", "b.example", "c.example", "d.example"];
const NAMES: &[&str] = &["alice", "bob", "cathy", "dora", "emil", "fritz"];
const DEVICES: &[&str] = &["phone", "laptop", "tablet"];

/// How large a federation is and how much happens.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Providers, at most.
    pub providers_max: usize,
    /// People, at most.
    pub people_max: usize,
    /// Devices of one of them, at most.
    pub devices_max: usize,
    /// Rooms that are created for sure, at most.
    pub rooms_max: usize,
    /// Steps, at least.
    pub steps_min: usize,
    /// Steps, at most.
    pub steps_max: usize,
}

impl Size {
    /// What tens of thousands of seeds are run with.
    pub const SMALL: Self = Self {
        providers_max: 3,
        people_max: 4,
        devices_max: 2,
        rooms_max: 2,
        steps_min: 20,
        steps_max: 60,
    };
    /// What fewer seeds are run with.
    pub const LARGE: Self = Self {
        providers_max: 4,
        people_max: 6,
        devices_max: 3,
        rooms_max: 3,
        steps_min: 60,
        steps_max: 150,
    };
}

/// A person and the devices it has from the start.
#[derive(Clone, Debug)]
pub struct Person {
    /// Domain of its provider.
    pub domain: &'static str,
    /// Local name.
    pub name: &'static str,
    /// Names of its devices.
    pub devices: Vec<&'static str>,
}

/// A federation's life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Domains of the providers there are.
    pub domains: Vec<&'static str>,
    /// People, in order; numbers of people are positions here.
    pub people: Vec<Person>,
    /// In order of time.
    pub steps: Vec<Step>,
    /// Milliseconds after which nothing goes wrong any more.
    pub calm_ms: u64,
    /// Whether somebody keeps no rule.
    pub has_crooks: bool,
}

/// Something at its time.
#[derive(Clone, Debug)]
pub struct Step {
    /// Milliseconds since the beginning.
    pub at_ms: u64,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A person does something on one of its devices.
    Act {
        /// The person.
        person: usize,
        /// Which of the devices it has then.
        device: usize,
        /// What it does.
        action: Action,
    },
    /// Something goes wrong.
    Fault(Fault),
}

/// What a person does. `room` is one of those the device knows, `message` counts back from the
/// newest one it shows, `user` is a person.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are explained once, above")]
pub enum Action {
    /// A new room.
    CreateRoom {
        preset: Preset,
    },
    /// The direct room with somebody.
    OpenDirect {
        user: usize,
    },
    /// A room that depends on another.
    CreateSubroom {
        room: usize,
    },
    Add {
        room: usize,
        user: usize,
    },
    Remove {
        room: usize,
        user: usize,
    },
    Kick {
        room: usize,
        user: usize,
    },
    Ban {
        room: usize,
        user: usize,
    },
    Unban {
        room: usize,
        user: usize,
    },
    ChangeRole {
        room: usize,
        user: usize,
        role: usize,
    },
    Leave {
        room: usize,
    },
    /// Comes in by external commit where it can.
    Join {
        room: usize,
    },
    /// A link into a room, which others may use.
    CreateLink {
        room: usize,
        uses: u32,
    },
    /// Uses a link that somebody has made.
    JoinByLink {
        link: usize,
    },
    /// Takes a link back.
    RemoveLink {
        room: usize,
        link: usize,
    },
    Rename {
        room: usize,
    },
    CommitPending {
        room: usize,
    },
    Write {
        room: usize,
    },
    Reply {
        room: usize,
        message: usize,
    },
    Edit {
        room: usize,
        message: usize,
    },
    Delete {
        room: usize,
        message: usize,
    },
    React {
        room: usize,
        message: usize,
    },
    MarkRead {
        room: usize,
    },
    /// Lets somebody make contact.
    Accept {
        user: usize,
    },
    /// Asks somebody for it.
    Ask {
        user: usize,
    },
    /// Turns somebody away.
    TurnAway {
        user: usize,
    },
    /// One more device of this person signs in.
    AddDevice,
    /// Another device of this person is signed out.
    SignOutDevice {
        device: usize,
    },
    /// What no honest client does, by one that checks nothing.
    Forbidden {
        room: usize,
        trick: Trick,
    },
    /// What only plans with somebody who keeps no rule have.
    Deed(Deed),
}

/// What is planned where somebody keeps no rule; much of it is honest.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of actions")]
pub enum Deed {
    /// A link for few, perhaps for a short time.
    CreateLink { room: usize, uses: u32, lasts_ms: Option<u64> },
    /// Uses the link that was made last.
    JoinByNewestLink,
    /// Takes it back.
    RemoveNewestLink { room: usize },
    /// A room that depends on another, and somebody in it.
    Subroom { room: usize, user: usize },
    /// Somebody comes into the newest room there is.
    AddToNewestRoom { user: usize },
    /// Somebody goes from the room that the newest subroom depends on.
    RemoveFromParent { user: usize },
    /// Comes into a room that this person was in.
    JoinAnew { room: usize },
    /// What is forbidden.
    Mis { misdeed: Misdeed, room: usize, user: usize },
}

/// What clients and providers try that keep to nothing but their own keys.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Misdeed {
    /// A message, once its user has left.
    WritesAfterLeaving,
    /// A message, with a role that writes nothing.
    WritesUnasked,
    /// A message of one room, into another.
    WrongGroup,
    /// A message that says it is by somebody else, or for another room.
    ForgedContent,
    /// An edit, or a deletion, of what somebody else has written.
    ForeignEdit,
    /// A message by a client that is not in the room, though another one of its user is.
    WrongClient,
    /// A commit that changes what its author may not.
    ChangesUnasked,
    /// A commit with a GroupInfo of another epoch.
    WrongGroupInfo,
    /// A commit with a Welcome for somebody else.
    WrongWelcome,
    /// A commit, handed in by whoever does not answer for its author.
    StolenCommit,
    /// An external commit by whom the hub has not let in.
    UngrantedJoin,
    /// An external commit of another client.
    StolenJoin,
    /// KeyPackages, without consent.
    KeysUnasked,
    /// KeyPackages through a room that one is not in.
    KeysByRoom,
    /// What another provider has asked.
    OthersQuestion,
    /// What another client has asked.
    OthersRequest,
    /// Consent of somebody else.
    ForgedConsent,
    /// The same, between providers.
    ForgedPeerConsent,
    /// KeyPackages of another client, as its own.
    OthersKeyPackages,
    /// A client of somebody who is banned, by whoever may add others.
    AddsBanned,
}

impl Misdeed {
    /// All.
    pub const ALL: &[Self] = &[
        Self::WritesAfterLeaving,
        Self::WritesUnasked,
        Self::WrongGroup,
        Self::ForgedContent,
        Self::ForeignEdit,
        Self::WrongClient,
        Self::ChangesUnasked,
        Self::ChangesUnasked,
        Self::ChangesUnasked,
        Self::WrongGroupInfo,
        Self::WrongWelcome,
        Self::StolenCommit,
        Self::UngrantedJoin,
        Self::StolenJoin,
        Self::KeysUnasked,
        Self::KeysByRoom,
        Self::OthersQuestion,
        Self::OthersRequest,
        Self::ForgedConsent,
        Self::ForgedPeerConsent,
        Self::OthersKeyPackages,
        Self::AddsBanned,
        Self::AddsBanned,
    ];
}

/// What a client, or a provider, without checks tries.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Trick {
    /// A message in somebody else's name.
    ForgedSender,
    /// A message into a room it is not in (any more).
    OutsiderWrites,
    /// A request that somebody else has made, once more.
    Replay,
    /// Octets that mean nothing.
    Garbage,
    /// An honest message, with some octets changed.
    Tampered,
    /// The room's key material, without a right to come in.
    OutsiderReads,
    /// A commit that takes away the room's administrator.
    RemovesAdministrator,
    /// A commit that makes oneself administrator.
    RaisesItself,
    /// Events of a room, sent by a provider that is not its hub.
    ForeignNotify,
}

impl Trick {
    /// All.
    pub const ALL: &[Self] = &[
        Self::ForgedSender,
        Self::OutsiderWrites,
        Self::Replay,
        Self::Garbage,
        Self::Tampered,
        Self::OutsiderReads,
        Self::RemovesAdministrator,
        Self::RaisesItself,
        Self::ForeignNotify,
    ];
}

/// What goes wrong. Providers and people are numbers as in [`Plan`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are explained once, above")]
pub enum Fault {
    /// A provider stops at once, and starts again after a while.
    CrashProvider { provider: usize, down_ms: u64 },
    /// A device stops at once and starts again. `before_stored`: before what it last did is stored.
    CrashDevice { person: usize, device: usize, before_stored: bool },
    /// Two providers do not hear each other.
    Partition { a: usize, b: usize, for_ms: u64 },
    /// The first hears the second, but not the reverse.
    HalfOpen { deaf: usize, heard: usize, for_ms: u64 },
    /// A device has no network.
    Offline { person: usize, device: usize, for_ms: u64 },
    /// Loss, repetition and delay between everybody: of 100 packets so many.
    Weather { lost: u32, doubled: u32, delay_ms_max: u64, for_ms: u64 },
    /// A provider answers slowly.
    Slow { provider: usize, delay_ms: u64, for_ms: u64 },
    /// A provider cannot write.
    DiskFull { provider: usize, for_ms: u64 },
    /// What a provider writes takes a while to be durable.
    SlowDisk { provider: usize, delay_ms: u64, for_ms: u64 },
    /// A provider's clock is set forwards or back.
    ClockStep { provider: usize, by_ms: i64 },
    /// A provider's data are copied.
    BackUp { provider: usize },
    /// A provider's data are put back as they were copied, if they were.
    Restore { provider: usize },
    /// The store of a device is put back as it was some time ago.
    RestoreDevice { person: usize, device: usize },
    /// A hub sends its events to a peer in another order, or twice, or leaves some out.
    CrookedHub { provider: usize, for_ms: u64 },
}

/// Which faults a plan has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Faults {
    /// None.
    None,
    /// The network's, crashes, full disks, clocks: nothing that was promised is lost for good.
    Honest,
    /// Also those after which something may be lost: backups put back, a hub that cheats.
    All,
    /// Those of [`Honest`](Self::Honest), clients and providers that keep no rule, and in some plans a hub
    /// that cheats.
    Crooked,
}

impl Faults {
    /// As they are called at a terminal.
    pub fn by_name(name: &str) -> Option<Self> {
        let mut all = [Self::None, Self::Honest, Self::All, Self::Crooked].into_iter();
        all.find(|it| format!("{it:?}").to_lowercase() == name)
    }
}

/// Who acts when, with which faults, all from one seed.
pub fn plan(seed: u64, size: Size, faults: Faults) -> Plan {
    let mut rng = rng(seed ^ 0x706c_616e);
    let domains = DOMAINS[..rng.random_range(2..=size.providers_max)].to_vec();
    let people: Vec<_> = (0..rng.random_range(2..=size.people_max))
        .map(|number| Person {
            domain: match domains.get(number) {
                // Nobody's provider is a wasted one.
                Some(domain) => domain,
                None => domains.choose(&mut rng).expect("there are providers"),
            },
            name: NAMES[number],
            devices: DEVICES[..rng.random_range(1..=size.devices_max)].to_vec(),
        })
        .collect();
    let count = rng.random_range(size.steps_min..=size.steps_max);
    let mut steps = opening(&mut rng, &people, size);
    let mut at_ms = steps.last().map_or(0, |step| step.at_ms);
    // Some lives are hasty: much happens before anything has settled.
    let pause_ms_max = *[20, 300, 3_000].choose(&mut rng).expect("three");
    let fault_of_100 = match faults {
        Faults::None => 0,
        _ => rng.random_range(0..25),
    };
    for _ in 0..count {
        at_ms += rng.random_range(0..=pause_ms_max);
        let what = match rng.random_range(0..100) < fault_of_100 {
            true => Happening::Fault(fault(&mut rng, domains.len(), &people, faults)),
            false => act(&mut rng, &people),
        };
        steps.push(Step { at_ms, what });
    }
    let mut plan = Plan { domains, people, steps, calm_ms: at_ms + 60_000, has_crooks: false };
    if faults == Faults::Crooked {
        crooked::add(seed, &mut plan);
    }
    plan
}

/// Rooms, and people who let each other in: without them everything is refused.
fn opening(rng: &mut StdRng, people: &[Person], size: Size) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at_ms = 2_000;
    let mut then = |person, action, rng: &mut StdRng| {
        at_ms += rng.random_range(0..2_000);
        let what = Happening::Act { person, device: 0, action };
        steps.push(Step { at_ms, what });
    };
    for person in 0..people.len() {
        for user in (0..people.len()).filter(|user| *user != person) {
            if rng.random_range(0..10) < 7 {
                then(person, Action::Accept { user }, rng);
            }
        }
    }
    for _ in 0..rng.random_range(1..=size.rooms_max) {
        let person = rng.random_range(0..people.len());
        then(person, Action::CreateRoom { preset: preset(rng) }, rng);
        for user in 0..people.len() {
            if user != person && rng.random_range(0..10) < 8 {
                then(person, Action::Add { room: 0, user }, rng);
            }
        }
    }
    steps
}

fn preset(rng: &mut StdRng) -> Preset {
    const OFTEN: &[Preset] = &[
        Preset::Cooperative,
        Preset::Cooperative,
        Preset::Cooperative,
        Preset::Strict,
        Preset::Strict,
        Preset::Moderated,
        Preset::MultiOrganization,
    ];
    *OFTEN.choose(rng).expect("some")
}

fn act(rng: &mut StdRng, people: &[Person]) -> Happening {
    let person = rng.random_range(0..people.len());
    let device = rng.random_range(0..4);
    Happening::Act { person, device, action: action(rng, people) }
}

fn action(rng: &mut StdRng, people: &[Person]) -> Action {
    let room = rng.random_range(0..4);
    let message = rng.random_range(0..5);
    let user = rng.random_range(0..people.len());
    match rng.random_range(0..100) {
        0..30 => Action::Write { room },
        30..35 => Action::Reply { room, message },
        35..41 => Action::Edit { room, message },
        41..44 => Action::Delete { room, message },
        44..49 => Action::React { room, message },
        49..51 => Action::MarkRead { room },
        51..58 => Action::Add { room, user },
        58..61 => Action::Remove { room, user },
        61..62 => Action::Kick { room, user },
        62..64 => Action::Ban { room, user },
        64..66 => Action::Unban { room, user },
        66..69 => Action::ChangeRole { room, user, role: rng.random_range(0..6) },
        69..73 => Action::Leave { room },
        73..76 => Action::Join { room },
        76..78 => Action::CreateLink { room, uses: rng.random_range(0..3) },
        78..81 => Action::JoinByLink { link: rng.random_range(0..4) },
        81..82 => Action::RemoveLink { room, link: rng.random_range(0..2) },
        82..84 => Action::Rename { room },
        84..86 => Action::CommitPending { room },
        86..87 => Action::Accept { user },
        87..88 => Action::Ask { user },
        88..89 => Action::TurnAway { user },
        89..91 => Action::AddDevice,
        91..92 => Action::SignOutDevice { device: rng.random_range(0..3) },
        92..93 => Action::CreateRoom { preset: preset(rng) },
        93..94 => Action::OpenDirect { user },
        _ => {
            let trick = *Trick::ALL.choose(rng).expect("some");
            Action::Forbidden { room, trick }
        }
    }
}

fn fault(rng: &mut StdRng, providers: usize, people: &[Person], faults: Faults) -> Fault {
    let provider = rng.random_range(0..providers);
    let other = (provider + rng.random_range(1..providers)) % providers;
    let person = rng.random_range(0..people.len());
    let device = rng.random_range(0..3);
    let for_ms = rng.random_range(100..20_000);
    let most = if faults == Faults::All { 24 } else { 20 };
    match rng.random_range(0..most) {
        0..4 => Fault::CrashProvider { provider, down_ms: for_ms / 4 },
        4..7 => Fault::CrashDevice { person, device, before_stored: rng.random() },
        7..9 => Fault::Partition { a: provider, b: other, for_ms },
        9..11 => Fault::HalfOpen { deaf: provider, heard: other, for_ms },
        11..13 => Fault::Offline { person, device, for_ms },
        13..15 => Fault::Weather {
            lost: rng.random_range(0..30),
            doubled: rng.random_range(0..20),
            delay_ms_max: rng.random_range(1..2_000),
            for_ms,
        },
        15 => Fault::Slow { provider, delay_ms: rng.random_range(100..5_000), for_ms },
        16 => Fault::DiskFull { provider, for_ms: for_ms / 4 },
        17..19 => Fault::SlowDisk { provider, delay_ms: rng.random_range(1..500), for_ms },
        19 => Fault::ClockStep { provider, by_ms: rng.random_range(-30_000..30_000) },
        20 => Fault::BackUp { provider },
        21 => Fault::Restore { provider },
        22 => Fault::RestoreDevice { person, device },
        _ => Fault::CrookedHub { provider, for_ms },
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults, Happening, Size, plan};

    #[test]
    fn a_seed_is_one_plan_and_another_seed_another() {
        let lines = |seed| format!("{:?}", plan(seed, Size::SMALL, Faults::All));
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
    }

    #[test]
    fn steps_are_in_order_of_time_and_name_who_there_is() {
        for seed in 0..200 {
            let plan = plan(seed, Size::LARGE, Faults::All);
            assert!(plan.steps.is_sorted_by_key(|step| step.at_ms));
            assert!(plan.steps.last().unwrap().at_ms < plan.calm_ms);
            for step in &plan.steps {
                match step.what {
                    Happening::Act { person, .. } => assert!(person < plan.people.len()),
                    Happening::Fault(Fault::Partition { a, b, .. }) => {
                        assert!(a != b && a.max(b) < plan.domains.len());
                    }
                    Happening::Fault(_) => {}
                }
            }
        }
    }
}
