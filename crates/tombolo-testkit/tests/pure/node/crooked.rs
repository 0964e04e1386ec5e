//! What a provider that cheats tells who wants to come into a room.

use mimi_wire::MimiUri;
use mimi_wire::protocol::group_info::GroupInfoRatchetTreeTbe;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::{Node, Out};

/// What it gives instead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CheatedGroupInfo {
    OtherRoom,
    Earlier,
    WithoutProposals,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Crook {
    rng: StdRng,
    /// What it has given before.
    given: Vec<(MimiUri, GroupInfoRatchetTreeTbe)>,
}

impl Node {
    pub(crate) fn cheats(&mut self, cheats: bool) {
        let rng = StdRng::seed_from_u64(self.now_ms);
        match cheats {
            true if self.crook.is_none() => self.crook = Some(Crook { rng, given: Vec::new() }),
            true => {}
            false => self.crook = None,
        }
    }

    /// What is given instead, now and then.
    pub(super) fn cheated(
        &mut self,
        room: &MimiUri,
        tbe: GroupInfoRatchetTreeTbe,
    ) -> GroupInfoRatchetTreeTbe {
        let Some(crook) = &mut self.crook else { return tbe };
        crook.given.push((room.clone(), tbe.clone()));
        let how = *[
            CheatedGroupInfo::OtherRoom,
            CheatedGroupInfo::Earlier,
            CheatedGroupInfo::WithoutProposals,
        ]
        .choose(&mut crook.rng)
        .expect("three");
        if crook.rng.random_range(0..2) == 0 {
            return tbe;
        }
        let mut given = crook.given.iter();
        let instead = match how {
            CheatedGroupInfo::OtherRoom => given.rfind(|(of, _)| of != room).map(|(_, it)| it),
            CheatedGroupInfo::Earlier => given.find(|(of, _)| of == room).map(|(_, it)| it),
            CheatedGroupInfo::WithoutProposals => None,
        };
        let instead = match (how, instead) {
            (CheatedGroupInfo::WithoutProposals, _) => {
                GroupInfoRatchetTreeTbe { pending_proposals: Vec::new(), ..tbe }
            }
            (_, Some(instead)) => instead.clone(),
            (_, None) => return tbe,
        };
        self.out.push(Out::Cheated(how));
        instead
    }
}
