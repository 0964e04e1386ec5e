//! Commits that are followed again, when a room is read from its log.

use mimi_wire::protocol::update::{CommitBundle, UpdateRequest};
use openmls::prelude::{LeafNodeIndex, Sender};

use super::{HubGroup, StagedCommit, StagedUpdate};
use crate::changes::{already_proven, read_commit};
use crate::error::{SnapshotError, StageError};
use crate::framing::FrameSender;

const SAVED_COMMIT_VERSION: u8 = 1;

impl StagedCommit {
    /// What [`HubGroup::stage_saved`] takes to follow this commit again, whatever has expired until
    /// then; `None` where [`HubGroup::stage_again`] can do it at any time. It says what the commit
    /// changes, not the group.
    pub fn saved(&self) -> Result<Option<Vec<u8>>, StageError> {
        if self.added.is_empty() {
            return Ok(None);
        }
        let saved = postcard::to_extend(&self.staged, vec![SAVED_COMMIT_VERSION]);
        saved.map(Some).map_err(StageError::internal)
    }
}

impl HubGroup {
    /// A commit that was accepted before and is read again from the room's log, by what was
    /// [`saved`](StagedCommit::saved) of it: nothing is verified twice, so no clock matters. The room
    /// and its GroupInfo are read from it as they were the first time.
    pub fn stage_saved(
        &self,
        request: &UpdateRequest,
        saved: &[u8],
    ) -> Result<StagedUpdate, StageError> {
        let UpdateRequest::Commit(bundle) = request else {
            return Err(StageError::internal("only commits are saved"));
        };
        let staged = match saved.split_first() {
            Some((&SAVED_COMMIT_VERSION, octets)) => postcard::from_bytes(octets),
            _ => return Err(StageError::internal(SnapshotError("an unknown version".to_owned()))),
        };
        let sender = self.committer(bundle)?;
        let staged = staged.map_err(StageError::internal)?;
        let reading = read_commit(self.epoch(&already_proven), &staged, &sender)?;
        let commit = self.staged_commit(bundle, staged, &sender, reading)?;
        Ok(StagedUpdate::Commit(Box::new(commit)))
    }

    fn committer(&self, bundle: &CommitBundle) -> Result<Sender, StageError> {
        match self.frame(&bundle.commit)?.sender {
            FrameSender::Member(leaf) => Ok(Sender::Member(LeafNodeIndex::new(leaf))),
            FrameSender::NewMemberCommit => Ok(Sender::NewMemberCommit),
            _ => Err(StageError::invalid("servers do not commit (ARCH-2, PROTO-ST-7)")),
        }
    }
}
