//! What is in a file, and what of it is durable.

use rand::Rng;
use rand::rngs::StdRng;

use crate::SECTOR;

/// A change of a file that is not synced.
#[derive(Clone, Debug)]
enum Pending {
    Write { at: usize, octets: Vec<u8> },
    Size(usize),
}

/// The octets of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// As programs read them.
    data: Vec<u8>,
    /// As they are for sure after a crash, if nothing of what is pending is.
    synced: Vec<u8>,
    /// In the order in which it was asked for.
    pending: Vec<Pending>,
}

/// What a crash does to the writes that are on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// All are lost.
    Lost,
    /// All are there.
    Kept,
    /// Those up to one of them are, and that one is torn.
    Cut,
    /// Of their sectors each is there or not, of 100 so many.
    Scattered(u32),
}

impl Fate {
    pub(crate) fn drawn(rng: &mut StdRng) -> Self {
        match rng.random_range(0..8) {
            0 => Self::Lost,
            1 => Self::Kept,
            2..5 => Self::Cut,
            _ => Self::Scattered(rng.random_range(5..=95)),
        }
    }
}

impl Content {
    pub(crate) fn durable(data: Vec<u8>) -> Self {
        Self { synced: data.clone(), data, pending: Vec::new() }
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn size(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn write(&mut self, at: usize, octets: &[u8]) {
        put(&mut self.data, at, octets);
        self.pending.push(Pending::Write { at, octets: octets.to_vec() });
    }

    pub(crate) fn resize(&mut self, size: usize) {
        self.data.resize(size, 0);
        self.pending.push(Pending::Size(size));
    }

    /// Everything is durable.
    pub(crate) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// The power fails; what was not durable yet shares a fate.
    pub(crate) fn crash(&mut self, fate: Fate, rng: &mut StdRng) {
        let pending = std::mem::take(&mut self.pending);
        match fate {
            Fate::Lost => {}
            Fate::Kept => pending.iter().for_each(|change| change.apply(&mut self.synced)),
            Fate::Cut => {
                let whole = rng.random_range(0..=pending.len());
                pending[..whole].iter().for_each(|change| change.apply(&mut self.synced));
                if let Some(Pending::Write { at, octets }) = pending.get(whole) {
                    let pieces = sectors(*at, octets);
                    let kept = rng.random_range(0..=pieces.len());
                    pieces[..kept].iter().for_each(|(at, piece)| put(&mut self.synced, *at, piece));
                }
            }
            Fate::Scattered(of_100) => {
                for change in &pending {
                    match change {
                        Pending::Size(size) if rng.random_range(0..100) < of_100 => {
                            self.synced.resize(*size, 0);
                        }
                        Pending::Size(_) => {}
                        Pending::Write { at, octets } => {
                            for (at, piece) in sectors(*at, octets) {
                                if rng.random_range(0..100) < of_100 {
                                    put(&mut self.synced, at, piece);
                                }
                            }
                        }
                    }
                }
            }
        }
        self.data.clone_from(&self.synced);
    }
}

impl Pending {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write { at, octets } => put(data, *at, octets),
            Self::Size(size) => data.resize(*size, 0),
        }
    }
}

/// Writes; what lies between the end and the place is zero.
fn put(data: &mut Vec<u8>, at: usize, octets: &[u8]) {
    let end = at + octets.len();
    if data.len() < end {
        data.resize(end, 0);
    }
    data[at..end].copy_from_slice(octets);
}

/// A write in pieces that are in one sector each.
fn sectors(at: usize, octets: &[u8]) -> Vec<(usize, &[u8])> {
    let first = (SECTOR - at % SECTOR).min(octets.len());
    let (head, rest) = octets.split_at(first);
    let rest = rest.chunks(SECTOR).enumerate();
    let rest = rest.map(|(number, piece)| (at + first + number * SECTOR, piece));
    std::iter::once((at, head)).chain(rest).collect()
}
