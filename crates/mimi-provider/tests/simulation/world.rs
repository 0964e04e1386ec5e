//! Everything that can happen, in any order: requests made, packets lost, doubled and overtaken,
//! writes made durable, nodes killed.

use mimi_provider::record::Seq;
use mimi_provider::requester::Requester;
use mimi_provider::{Change, Reject};

use crate::Chance;
use crate::actors::{Mls, Request};
use crate::fixture::{NOW, room_uri};
use crate::follower::{Attempt, FollowerNode};
use crate::hub::{Answer, HubNode, Outcome};

pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) mls: Mls,
    pub(crate) hub: HubNode,
    pub(crate) followers: [FollowerNode; 2],
    pub(crate) calls: Vec<Call>,
    network: Vec<Packet>,
    /// One request in flight per follower (AMB-NTF-7): its attempt, and the cursor it leads to.
    in_flight: [Option<(Attempt, Seq)>; 2],
    attempts: Attempt,
    now_ms: u64,
    pub(crate) seen: Seen,
}

/// A client's request; it asks until it is answered.
pub(crate) struct Call {
    pub(crate) requester: Requester,
    pub(crate) request: Request,
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Clone)]
enum Packet {
    ToHub(usize),
    FromHub(Answer),
    Notify { follower: usize, attempt: Attempt, body: Vec<u8> },
    Notified { follower: usize, attempt: Attempt },
}

/// What a run met.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) messages: usize,
    pub(crate) commits: usize,
    pub(crate) welcomes: usize,
    pub(crate) proposals: usize,
    pub(crate) external_joins: usize,
    pub(crate) refusals: usize,
    pub(crate) repeated_answers: usize,
    pub(crate) repeated_notifies: usize,
    pub(crate) crashes_with_writes_queued: usize,
}

impl World {
    pub(crate) fn new(chance: Chance) -> Self {
        Self {
            chance,
            mls: Mls::default(),
            hub: HubNode::new(NOW),
            followers: [FollowerNode::new("b.example"), FollowerNode::new("c.example")],
            calls: Vec::new(),
            network: Vec::new(),
            in_flight: [None, None],
            attempts: 0,
            now_ms: NOW,
            seen: Seen::default(),
        }
    }

    /// One thing happens.
    pub(crate) fn step(&mut self) {
        let follower = self.chance.below(2);
        match self.chance.below(40) {
            0..8 => self.ask(),
            8..10 => self.ask_again(),
            10..24 => self.some_packet(),
            24..30 => self.flush_hub(),
            30..32 => self.flush_follower(follower),
            32..36 => self.deliver(follower),
            36 => self.in_flight[follower] = None,
            37 => self.crash(follower),
            38 => self.snapshot(follower),
            // Clocks stand still, leap and are set back.
            _ => self.now_ms = (self.now_ms + [0, 1, 5_000][self.chance.below(3)]).max(500) - 500,
        }
    }

    /// A quiet time: whoever waits asks again, nothing is lost any more.
    pub(crate) fn heal(&mut self) {
        self.in_flight = [None, None];
        loop {
            let waiting = (0..self.calls.len()).filter(|call| self.calls[*call].outcome.is_none());
            let asking: Vec<Packet> = waiting.map(Packet::ToHub).collect();
            self.network.extend(asking);
            (0..2).for_each(|follower| self.deliver(follower));
            if self.network.is_empty() {
                return;
            }
            while !self.network.is_empty() {
                let packet = self.network.remove(0);
                self.arrive(packet);
                while self.hub.queue.len() > 0 {
                    self.flush_hub();
                }
                for follower in 0..2 {
                    while self.followers[follower].queue.len() > 0 {
                        self.flush_follower(follower);
                    }
                }
            }
        }
    }

    fn ask(&mut self) {
        let known = self.hub.known(&self.mls);
        let (state, view) = (known.state.clone(), known.view.clone());
        if let Some((requester, request)) = self.mls.some_request(&mut self.chance, &state, &view) {
            self.call(requester, request);
        }
    }

    fn call(&mut self, requester: Requester, request: Request) {
        self.network.push(Packet::ToHub(self.calls.len()));
        self.calls.push(Call { requester, request, outcome: None });
    }

    /// An external commit of a follower's client is durable there before it goes on to the hub.
    fn forward(&mut self, requester: &Requester, join: &Request) {
        let (Requester::Peer(provider), Request::Update { octets }) = (requester, join) else {
            return;
        };
        let Some(follower) = self.followers.iter().position(|it| it.own == *provider) else {
            return;
        };
        self.followers[follower].forward(octets, &self.mls);
        while self.followers[follower].queue.len() > 0 {
            self.flush_follower(follower);
        }
    }

    fn ask_again(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let call = self.chance.below(self.calls.len());
        if self.calls[call].outcome.is_none() {
            self.network.push(Packet::ToHub(call));
        }
    }

    /// Any packet on its way arrives, or is lost, or arrives and will arrive again.
    fn some_packet(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let packet = self.network.swap_remove(self.chance.below(self.network.len()));
        match self.chance.below(8) {
            0 => {}
            1 => {
                self.network.push(packet.clone());
                self.arrive(packet);
            }
            _ => self.arrive(packet),
        }
    }

    fn arrive(&mut self, packet: Packet) {
        match packet {
            Packet::ToHub(call) => {
                let Call { requester, request, .. } = &self.calls[call];
                self.hub.handle(call, requester, request, &self.mls, self.now_ms);
            }
            Packet::FromHub(answer) => self.answered(answer),
            Packet::Notify { follower, attempt, body } => {
                let repeats = self.followers[follower].receive(attempt, &body, &self.mls);
                self.seen.repeated_notifies += usize::from(repeats > 0);
            }
            Packet::Notified { follower, attempt } => self.delivered(follower, attempt),
        }
    }

    fn answered(&mut self, answer: Answer) {
        let call = &mut self.calls[answer.call];
        if let Some(first) = &call.outcome {
            // Answers may differ only where the first was no acceptance.
            if let (Outcome::Accepted(first), Outcome::Accepted(again)) = (first, &answer.outcome) {
                assert_eq!(first, again, "a repeat is answered as the first time");
                self.seen.repeated_answers += 1;
            }
            return;
        }
        let request = call.request.clone();
        let requester = call.requester.clone();
        if let Outcome::Refused(reject) = &answer.outcome {
            let ours = matches!(reject, Reject::Internal(_) | Reject::Malformed(_));
            assert!(!ours, "nobody here asks for anything malformed: {reject}");
            self.seen.refusals += 1;
        }
        let authorized = matches!(answer.outcome, Outcome::Authorized);
        call.outcome = Some(answer.outcome);
        if let (true, Request::GroupInfo { short, key }) = (authorized, request) {
            let known = self.hub.known(&self.mls);
            let (state, view) = (known.state.clone(), known.view.clone());
            let inside =
                view.clients.iter().any(|client| client.client == crate::fixture::client(&short));
            if !inside {
                let join = self.mls.join(&state, &view, &short, &key);
                self.forward(&requester, &join);
                self.call(requester, join);
            }
        }
    }

    fn flush_hub(&mut self) {
        if let Some(answer) = self.hub.queue.flush(&mut self.hub.disk) {
            self.network.push(Packet::FromHub(answer));
        }
    }

    fn flush_follower(&mut self, follower: usize) {
        let node = &mut self.followers[follower];
        if let Some(attempt) = node.queue.flush(&mut node.disk) {
            self.network.push(Packet::Notified { follower, attempt });
        }
    }

    /// What is durable and waits for a follower goes out, some of it at once.
    fn deliver(&mut self, follower: usize) {
        let domain = &self.followers[follower].own;
        let Some(stored) = self.hub.disk.cursors.get(domain) else { return };
        if self.in_flight[follower].is_some() {
            return;
        }
        let cursor = *self.hub.delivered.get(domain).unwrap_or(stored);
        let most = 1 + self.chance.below(4);
        let log = self.hub.disk.log.iter();
        let waiting = log.filter(|event| event.seq > cursor && event.audience.contains(domain));
        let batch: Vec<_> = waiting.take(most).collect();
        let Some(last) = batch.last() else { return };
        let body = batch.iter().flat_map(|event| event.payload.iter().copied()).collect();
        self.attempts += 1;
        self.in_flight[follower] = Some((self.attempts, last.seq));
        self.network.push(Packet::Notify { follower, attempt: self.attempts, body });
    }

    fn delivered(&mut self, follower: usize, attempt: Attempt) {
        let Some((expected, seq)) = self.in_flight[follower] else { return };
        if expected != attempt {
            return;
        }
        self.in_flight[follower] = None;
        self.hub.hot(&self.mls);
        let domain = self.followers[follower].own.clone();
        self.hub.delivered.insert(domain.clone(), seq);
        let change = Change::Delivered { stream: room_uri(), follower: domain, seq };
        self.hub.queue.push(vec![change], Vec::new(), None);
    }

    fn crash(&mut self, follower: usize) {
        if self.chance.once_in(2) {
            self.seen.crashes_with_writes_queued += usize::from(self.hub.queue.len() > 0);
            self.hub.crash();
            self.in_flight = [None, None];
        } else {
            let node = &mut self.followers[follower];
            self.seen.crashes_with_writes_queued += usize::from(node.queue.len() > 0);
            node.crash();
        }
    }

    fn snapshot(&mut self, follower: usize) {
        if self.chance.once_in(2) {
            self.hub.save_snapshot(&self.mls);
        } else {
            self.followers[follower].save_snapshot(&self.mls);
        }
    }
}

impl Seen {
    /// Adds what another run met, counting its log.
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.commits += other.commits;
        self.welcomes += other.welcomes;
        self.proposals += other.proposals;
        self.external_joins += other.external_joins;
        self.refusals += other.refusals;
        self.repeated_answers += other.repeated_answers;
        self.repeated_notifies += other.repeated_notifies;
        self.crashes_with_writes_queued += other.crashes_with_writes_queued;
    }
}
