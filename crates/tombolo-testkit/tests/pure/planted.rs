//! Faults planted on purpose, to see that the simulator finds them. They are made around the product's
//! code: on the disks it writes to, on the way of what it sends, in the place of a check it makes.

use mimi_policy::{Actor, RoomIndex};
use mimi_provider::hub::state::HubState;
use mimi_provider::hub::update::{UpdateInput, Updated, update};
use mimi_provider::record::EventKind;
use mimi_provider::{Change, Reject, Transition};
use mimi_wire::Domain;
use rand::Rng as _;
use rand::rngs::StdRng;

/// What is wrong with every provider, or device, of a run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Planted {
    #[default]
    Nothing,
    /// Now and then an entry is written without the peers it is for.
    DropsOutboxRow,
    /// Now and then two entries of a notify change places.
    SwapsOrder,
    /// Answers before the write is durable.
    AnswersBeforeSync,
    /// Commits that the judge denies are taken.
    SkipsTheJudge,
    /// Messages are taken from whoever sends them.
    BelievesAnySender,
    /// A KeyPackage that is handed out stays in stock.
    KeepsKeyPackages,
    /// The cursor of a delivery moves before the follower has answered.
    MovesCursorEarly,
    /// Whoever has gone is sent what comes next all the same.
    KeepsSending,
    /// Devices store what they have let out only with what comes next.
    StoresLate,
}

impl Planted {
    pub(crate) const ALL: &[Self] = &[
        Self::DropsOutboxRow,
        Self::SwapsOrder,
        Self::AnswersBeforeSync,
        Self::SkipsTheJudge,
        Self::BelievesAnySender,
        Self::KeepsKeyPackages,
        Self::MovesCursorEarly,
        Self::KeepsSending,
        Self::StoresLate,
    ];

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| format!("{it:?}") == name)
    }

    /// What is written instead.
    pub(crate) fn changes(self, mut changes: Vec<Change>, rng: &mut StdRng) -> Vec<Change> {
        match self {
            Self::DropsOutboxRow => {
                let application = |change: &&mut Change| {
                    matches!(change, Change::Append(event)
                        if event.kind == EventKind::Application && !event.audience.is_empty())
                };
                if let Some(Change::Append(event)) = changes.iter_mut().find(application)
                    && rng.random_range(0..5) == 0
                {
                    event.audience = Vec::<Domain>::new();
                }
            }
            Self::KeepsSending => changes.retain(|it| !matches!(it, Change::Leave { .. })),
            Self::KeepsKeyPackages => {
                changes.retain(|change| !matches!(change, Change::ReleaseKeyPackage(_)));
            }
            _ => {}
        }
        changes
    }

    /// What is sent instead.
    pub(crate) fn fanout(self, mut payloads: Vec<Vec<u8>>, rng: &mut StdRng) -> Vec<Vec<u8>> {
        if self == Self::SwapsOrder && payloads.len() > 1 {
            let first = rng.random_range(0..payloads.len() - 1);
            payloads.swap(first, first + 1);
        }
        payloads
    }
}

/// What a hub decides that takes every committer for an administrator.
pub(crate) fn update_without_judge(
    state: &HubState,
    input: &UpdateInput<'_>,
) -> Result<Transition<Updated>, Reject> {
    let mut view = input.view.clone();
    let admin = view.roles.roles.iter().max_by_key(|role| role.role_capabilities.len());
    let admin = admin.map_or(0, |role| role.role_index);
    let actor = input.change.committer.as_ref().and_then(|committer| match committer {
        Actor::Member { user, .. } => Some(user),
        _ => None,
    });
    for pair in &mut view.participants.participants {
        if Some(&pair.user) == actor {
            pair.role_index = admin;
        }
    }
    let index = RoomIndex::of(&view);
    update(state, &UpdateInput { view: &view, index: &index, ..*input })
}
