//! A whole federation, from a seed to what was wrong in the end.

mod calm;
mod extras;
mod weather;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mimi_wire::{Domain, MimiUri, UriKind};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tombolo_server::clock::Clock;
use tombolo_server::dev_ca::DevCa;
use tombolo_testkit::simulation::ledger::Violation;
use tombolo_testkit::simulation::plan::{Action, Faults, Happening, Plan, Size, plan};
use turmoil::Sim;

use crate::book::Book;
use crate::device::{Device, Order};
use crate::disk::Planted;
use crate::extra::{Extra, extras};
use crate::mallory::{Identities, MALLORY, Mallory};
use crate::provider::{FEDERATION_PORT, Provider};
use crate::wires::showing;
use crate::witness::Witness;
use extras::Frail;
use weather::Healing;

/// Virtual time that passes between two looks at the network.
const TICK: Duration = Duration::from_millis(10);
/// How long a packet takes when nothing is wrong, at most.
const LATENCY_MS_MAX: u64 = 30;
/// Virtual time after which a simulation that does not end is given up.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Segments of a connection that have arrived and are not read yet.
const SEGMENTS_MAX: usize = 1 << 16;

/// What kind of life is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How large it is.
    pub size: Size,
    /// What goes wrong.
    pub faults: Faults,
    /// A defect of every provider's store.
    pub planted: Option<Planted>,
}

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was broken.
    pub violations: Vec<Violation>,
    /// What happened, for a person.
    pub trace: String,
    /// Shared by all runs in which the same happened.
    pub fingerprint: u64,
    /// Comparisons that were made.
    pub checks: u64,
    /// Messages that were accepted.
    pub messages: usize,
    /// Epochs that there were.
    pub epochs: usize,
    /// What people have tried: done, and not done.
    pub actions: [u64; 2],
    /// Virtual time that has passed.
    pub lasted: Duration,
}

/// A person, and the devices it has by now.
struct Person {
    user: MimiUri,
    devices: Vec<Arc<Device>>,
}

struct Federation {
    sim: Sim<'static>,
    book: Book,
    root_pem: Arc<str>,
    providers: Vec<Arc<Provider>>,
    mallory: Arc<Mallory>,
    witnesses: Vec<Witness>,
    people: Vec<Person>,
    healings: Vec<(u64, Healing)>,
    frail: Vec<Frail>,
    rng: StdRng,
    /// Files of providers.
    _files: TempDir,
}

/// Runs a seed to its end.
pub fn run(seed: u64, setting: Setting) -> Outcome {
    let plan = plan(seed, setting.size, setting.faults);
    let mut federation = Federation::new(seed, &plan, setting);
    federation.book.pages().is_prompt = setting.faults == Faults::None;
    federation.live(&plan, &extras(seed, &plan, setting.faults));
    federation.calm_down();
    federation.end()
}

/// Noon of the day before yesterday: certificates and KeyPackages made then are good by the machine's
/// clock as well, which the MLS library looks at.
fn start_ms() -> u64 {
    const DAY_S: u64 = 24 * 60 * 60;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (now_s / DAY_S * DAY_S - DAY_S - DAY_S / 2) * 1_000
}

impl Federation {
    fn new(seed: u64, plan: &Plan, setting: Setting) -> Self {
        let condition = (setting.planted, setting.faults == Faults::None);
        let files = tempfile::tempdir().expect("a directory for files");
        let book = Book::new(start_ms());
        let mut rng = StdRng::seed_from_u64(seed ^ 0x7265_616c);
        let ca = DevCa::open_or_create(&files.path().join("ca"), book.now_ms());
        let ca = ca.expect("an authority can be made");
        publish(files.path(), &plan.domains);
        let mut sim = turmoil::Builder::new()
            .tick_duration(TICK)
            .simulation_duration(LIFE_MAX)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(LATENCY_MS_MAX))
            .tcp_capacity(SEGMENTS_MAX)
            .enable_random_order()
            .rng_seed(rng.random())
            .build();
        let (mut providers, mut identities) = (Vec::new(), Identities::new());
        let right = book.clone();
        let clock = Clock::from_fn(move || right.now_ms());
        for name in plan.domains.iter().copied().chain([MALLORY]) {
            let domain = Domain::new(name).expect("a plain domain");
            let certificate = ca.issue(&domain, book.now_ms()).expect("the authority works");
            identities.insert(domain, showing(ca.root_pem(), &clock, &certificate));
            if name != MALLORY {
                let place = (files.path(), &certificate);
                let provider = Provider::new(name, place, &book, rng.random(), condition);
                providers.push(Arc::new(provider));
            }
        }
        let rng_of_mallory = StdRng::seed_from_u64(rng.random());
        let mallory = Arc::new(Mallory::new(identities, book.clone(), rng_of_mallory));
        let living = mallory.clone();
        sim.host(MALLORY, move || living.clone().live());
        for provider in &providers {
            let living = provider.clone();
            sim.host(provider.domain.as_str(), move || living.clone().live());
        }
        let root_pem = Arc::from(ca.root_pem());
        let witnesses = providers.iter().map(|_| Witness::default()).collect();
        let (people, healings) = (Vec::new(), Vec::new());
        let mut federation = Self {
            sim,
            book,
            root_pem,
            providers,
            mallory,
            witnesses,
            people,
            healings,
            frail: Vec::new(),
            rng,
            _files: files,
        };
        federation.settle_people(plan);
        federation
    }

    fn settle_people(&mut self, plan: &Plan) {
        let user = |person: &tombolo_testkit::simulation::plan::Person| {
            let domain = Domain::new(person.domain).expect("a plain domain");
            MimiUri::build(&domain, UriKind::User, &[person.name]).expect("a plain name")
        };
        let users: Vec<_> = plan.people.iter().map(user).collect();
        self.people = users.into_iter().map(|user| Person { user, devices: Vec::new() }).collect();
        for (number, person) in plan.people.iter().enumerate() {
            let user = self.people[number].user.clone();
            self.provider_of(&user).add_user(&user);
            for name in &person.devices {
                self.add_device(number, name);
            }
        }
    }

    fn provider_of(&self, user: &MimiUri) -> &Arc<Provider> {
        let mut providers = self.providers.iter();
        providers.find(|it| it.domain == user.domain()).expect("everybody is somewhere")
    }

    fn add_device(&mut self, person: usize, name: &str) {
        let people = self.people.iter().map(|person| person.user.clone()).collect();
        let user = self.people[person].user.clone();
        let (book, root_pem, seed) = (self.book.clone(), self.root_pem.clone(), self.rng.random());
        let device = Arc::new(Device::new((&user, name), people, book, root_pem, seed));
        self.people[person].devices.push(device.clone());
        let host = device.host.clone();
        self.sim.host(host.as_str(), move || device.clone().live());
    }

    /// What is planned, at its time.
    fn live(&mut self, plan: &Plan, extras: &[(u64, Extra)]) {
        let (mut steps, mut extras) = (plan.steps.iter().peekable(), extras.iter().peekable());
        while self.elapsed_ms() < plan.calm_ms {
            while let Some(step) = steps.next_if(|step| step.at_ms <= self.elapsed_ms()) {
                match &step.what {
                    Happening::Act { person, device, action } => {
                        self.act(*person, *device, action);
                    }
                    Happening::Fault(fault) => self.suffer(fault),
                }
            }
            while let Some((_, extra)) = extras.next_if(|(at_ms, _)| *at_ms <= self.elapsed_ms()) {
                self.befall(extra);
            }
            self.heal_what_is_over();
            self.stop_who_is_frail();
            self.step();
            // Nothing goes wrong any more, and everybody has done what was planned: nothing is left
            // to wait for but the end of what is wrong.
            if steps.peek().is_none() && extras.peek().is_none() && self.healings.is_empty() {
                return;
            }
        }
    }

    fn act(&mut self, person: usize, device: usize, action: &Action) {
        if matches!(action, Action::AddDevice) {
            let name = format!("more{}", self.people[person].devices.len());
            self.book.note(|| format!("{} signs {name} in", self.people[person].user));
            return self.add_device(person, &name);
        }
        if let Action::Forbidden { trick, .. } = action {
            return self.mallory.tell(*trick);
        }
        let devices = &self.people[person].devices;
        let device = &devices[device % devices.len()];
        if !device.tell(Order::Act(action.clone())) {
            self.book.note(|| format!("{} {action:?}: it does not run", device.host));
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.sim.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A little time passes.
    fn step(&mut self) {
        self.sim.step().expect("no host ends by itself");
        self.book.elapsed(self.elapsed_ms());
        for (provider, witness) in self.providers.iter().zip(&mut self.witnesses) {
            witness.look(&provider.disk, &self.book);
        }
    }

    fn end(self) -> Outcome {
        let lasted = self.sim.elapsed();
        let pages = self.book.pages();
        Outcome {
            violations: pages.ledger.violations().to_vec(),
            trace: pages.trace.to_string(),
            fingerprint: pages.trace.fingerprint(),
            checks: pages.ledger.checks(),
            messages: pages.ledger.accepted_count(),
            epochs: pages.ledger.epoch_count(),
            actions: pages.outcomes,
            lasted,
        }
    }
}

/// Tells all providers where the others are.
fn publish(base: &Path, domains: &[&str]) {
    let table =
        |domain: &&str| format!("[peers.\"{domain}\"]\naddress = \"{domain}:{FEDERATION_PORT}\"\n");
    let text: String = domains.iter().map(table).collect();
    std::fs::write(base.join("peers.toml"), text).expect("a fresh directory");
}
