//! The end of the account. First this device's user leaves the rooms at other hubs, with all its devices:
//! their hubs cannot be told by the provider (AMB-ST-3). Rooms at the own hub are the provider's to see to.
//!
//! Nothing of it is stored, the password least of all: after a restart it has to be asked for anew.

use std::collections::BTreeSet;

use mimi_mls::device::Device;
use mimi_wire::MimiUri;

use crate::error::ClientError;
use crate::secret::SecretText;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Effects, Moment, Purpose, Timer, refusal};
use crate::session::request::{Request, Response};
use crate::session::room::{Room, Standing};
use crate::session::{Session, not_registered};

/// How long the other hubs have to accept that the user leaves, in milliseconds.
pub const LEAVING_MAX_MS: u64 = 10_000;

/// The end of the account, under way.
#[derive(Debug)]
pub(crate) struct Deleting {
    operation: OperationId,
    password: SecretText,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The provider looks at the password: nobody is to lose rooms by a slip of the fingers.
    Proving,
    /// These rooms at other hubs are being left.
    Leaving(BTreeSet<MimiUri>),
    /// The provider deletes the account; these rooms could not be left.
    Ending { still_in: Vec<MimiUri> },
}

impl Session {
    /// Whether the account was deleted. Nothing of the device is left then, and it is of no use any more.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted
    }

    pub(crate) fn delete_account(
        &mut self,
        operation: OperationId,
        password: SecretText,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        if self.deleting.is_some() {
            return Err(ClientError::Other("the account is being deleted already".to_owned()));
        }
        let deleting = Deleting { operation, password, stage: Stage::Proving };
        ask(&deleting, true, &mut self.effects);
        self.deleting = Some(deleting);
        Ok(())
    }

    pub(crate) fn deletion_answered(
        &mut self,
        operation: OperationId,
        answer: Answer,
        at: &mut Moment<'_>,
    ) {
        let Some(deleting) = self.deleting.take_if(|it| it.operation == operation) else { return };
        let is_done = match &answer.result {
            Ok(response) => matches!(response, Response::Done),
            // An earlier sending has come through, and with it this device is not known any more.
            Err(error) => {
                answer.uncertain
                    && matches!(deleting.stage, Stage::Ending { .. })
                    && error.is_refusal("unauthorized")
            }
        };
        match deleting.stage {
            _ if !is_done => self.effects.finish(Some(operation), Err(refusal(answer.result))),
            Stage::Ending { still_in } => self.account_deleted(operation, still_in, at),
            Stage::Proving | Stage::Leaving(_) => self.leave_elsewhere(deleting, at),
        }
    }

    /// Leaves the rooms at other hubs.
    fn leave_elsewhere(&mut self, mut deleting: Deleting, at: &mut Moment<'_>) {
        let Some(own) = self.identity().map(|identity| identity.user.domain()) else { return };
        let elsewhere = self.rooms.values().filter(|room| room.uri.domain() != own && counts(room));
        let elsewhere: BTreeSet<MimiUri> = elsewhere.map(|room| room.uri.clone()).collect();
        for room in &elsewhere {
            if let Err(error) = self.leave_room(None, room) {
                tracing::warn!(%room, %error, "the room cannot be left now");
            }
            self.with_room(room, at, |_, _, _| {});
        }
        let late = Timer::DeleteAccount(deleting.operation);
        self.effects.timer(at.later(LEAVING_MAX_MS), late);
        deleting.stage = Stage::Leaving(elsewhere);
        self.deleting = Some(deleting);
    }

    /// After anything happened: once no room is being left any more, the account goes.
    pub(crate) fn go_on_deleting(&mut self) {
        let Some(Deleting { stage: Stage::Leaving(rooms), .. }) = &self.deleting else { return };
        let leaves = |room: &MimiUri| self.rooms.get(room).is_some_and(|it| it.leaving.is_some());
        if !rooms.iter().any(leaves) {
            self.end_account();
        }
    }

    /// Hubs that have not accepted it by now do not keep the account.
    pub(crate) fn leaving_has_taken_long(&mut self, operation: OperationId) {
        let waits = self
            .deleting
            .as_ref()
            .is_some_and(|it| it.operation == operation && matches!(it.stage, Stage::Leaving(_)));
        if waits {
            self.end_account();
        }
    }

    fn end_account(&mut self) {
        let Some(deleting) = &mut self.deleting else { return };
        let Stage::Leaving(rooms) = &mut deleting.stage else { return };
        let mut still_in: Vec<_> = std::mem::take(rooms).into_iter().collect();
        still_in.retain(|room| self.rooms.get(room).is_some_and(counts));
        deleting.stage = Stage::Ending { still_in };
        ask(deleting, false, &mut self.effects);
    }

    /// Whether the provider may have deleted the account already.
    pub(crate) fn is_ending_account(&self) -> bool {
        matches!(&self.deleting, Some(Deleting { stage: Stage::Ending { .. }, .. }))
    }

    /// Keys and everything else are wiped, here and where they are stored.
    fn account_deleted(
        &mut self,
        operation: OperationId,
        still_in: Vec<MimiUri>,
        at: &mut Moment<'_>,
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        effects.finish(Some(operation), Ok(Outcome::AccountDeleted { still_in }));
        let nobody = Self::with_device(Device::generate(&mut at.rng));
        *self = Self { effects, is_deleted: true, ..nobody };
    }
}

fn ask(deleting: &Deleting, check_only: bool, effects: &mut Effects) {
    let password = deleting.password.clone();
    let request = Request::DeleteAccount { password, check_only };
    effects.request(Purpose::DeleteAccount(deleting.operation), request);
}

/// Whether the room counts this device as a member, so that its user is to leave.
fn counts(room: &Room) -> bool {
    matches!(room.standing, Standing::Joined | Standing::Rejoining | Standing::Frozen { .. })
}
