//! The messages of a room: every version, and what they add up to when shown.
//!
//! Entries come in the hub's order, so what an edit, a deletion or a reaction is about is known by
//! then, or was sent before this device could read. What its sender may not do stands in the order
//! like a message of its own, and changes nothing (CONTENT-EDIT-1).

use std::collections::{BTreeMap, BTreeSet};

use mimi_wire::MimiUri;
use mimi_wire::content::{Disposition, Expiration, ExternalPart, MessageId, MimiContent, Part};

use crate::session::verdict::Verdict;
use crate::shown::{Attempt, RefusedMessage, ShownMessage, ShownVersion};
use crate::store::StoredMessage;

/// What a message is, in the light of those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Shown by itself.
    Plain { in_reply_to: Option<MessageId> },
    /// A reaction to the message whose first version this is.
    Reaction { to: MessageId },
    /// A new version of a message, given by its first.
    Edit { of: MessageId },
    /// The same message under another topic.
    TopicEdit { of: MessageId },
    /// A message is taken back.
    Deletion { of: MessageId },
    /// Another reaction in the place of an earlier one.
    ReactionEdit { of: MessageId, to: MessageId },
    /// A reaction is taken back.
    ReactionDeletion { of: MessageId, to: MessageId },
}

#[derive(Debug)]
struct Entry {
    sender: MimiUri,
    timestamp_ms: u64,
    role: Role,
    verdict: Verdict,
    text: Option<String>,
    content: MimiContent,
    /// Why its hub could not prove it later.
    frank_fault: Option<String>,
}

impl Entry {
    fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Refused(_))
    }

    /// Whether its topic is that of the message from now on (AMB-CNT-13).
    fn sets_topic(&self) -> bool {
        let edits = matches!(self.role, Role::Edit { .. } | Role::TopicEdit { .. });
        edits && self.verdict == Verdict::Applied
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    entries: BTreeMap<MessageId, Entry>,
    /// First versions of plain messages by the hub's time, ties by lowest id (CONTENT-TS-1,
    /// CONTENT-MSG-4).
    order: BTreeSet<(u64, MessageId)>,
    /// What is about a plain message, by time.
    about: BTreeMap<MessageId, BTreeSet<(u64, MessageId)>>,
    /// Messages that were here, and whose time is over.
    expired: BTreeSet<MessageId>,
}

impl Timeline {
    pub(crate) fn knows(&self, id: &MessageId) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether a message is one of its own, and applied.
    pub(crate) fn is_plain(&self, id: &MessageId) -> bool {
        let entry = self.entries.get(id);
        entry.is_some_and(|entry| matches!(entry.role, Role::Plain { .. }) && !entry.is_refused())
    }

    /// First versions of the messages that are shown, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &MessageId> {
        self.order.iter().map(|(_, id)| id)
    }

    /// How a message wants to end. What is about another one ends with that.
    pub(crate) fn expires(&self, id: &MessageId) -> Option<Expiration> {
        let entry = self.entries.get(id)?;
        let by_itself = matches!(entry.role, Role::Plain { .. } | Role::Reaction { .. });
        if by_itself || entry.is_refused() { entry.content.expires } else { None }
    }

    /// Takes out a message and all that is about it; gives everything that is gone.
    pub(crate) fn remove(&mut self, id: &MessageId) -> Vec<MessageId> {
        let about = self.about.remove(id).unwrap_or_default();
        let gone: Vec<MessageId> =
            std::iter::once(*id).chain(about.into_iter().map(|(_, id)| id)).collect();
        for id in &gone {
            let Some(entry) = self.entries.remove(id) else { continue };
            self.order.remove(&(entry.timestamp_ms, *id));
            // A reaction that ends by itself.
            if let Role::Reaction { to } = entry.role
                && let Some(others) = self.about.get_mut(&to)
            {
                others.remove(&(entry.timestamp_ms, *id));
            }
        }
        gone
    }

    /// The time of a message is over.
    pub(crate) fn note_expired(&mut self, id: MessageId) {
        self.expired.insert(id);
    }

    /// Whether a message was here, and its time is over.
    pub(crate) fn has_expired(&self, id: &MessageId) -> bool {
        self.expired.contains(id)
    }

    /// Who sent a message.
    pub(crate) fn sender(&self, id: &MessageId) -> Option<&MimiUri> {
        self.entries.get(id).map(|entry| &entry.sender)
    }

    /// When the hub accepted a message.
    pub(crate) fn timestamp_ms(&self, id: &MessageId) -> Option<u64> {
        self.entries.get(id).map(|entry| entry.timestamp_ms)
    }

    /// A message, given by its first version, and what its sender made of it later.
    pub(crate) fn versions(&self, root: &MessageId) -> Vec<MessageId> {
        let is_version = |id: &MessageId| {
            let entry = self.entries.get(id);
            entry.is_some_and(|entry| {
                matches!(entry.role, Role::Edit { .. } | Role::TopicEdit { .. })
                    && Some(&entry.sender) == self.sender(root)
            })
        };
        let about = self.about.get(root).into_iter().flatten().map(|(_, id)| *id);
        std::iter::once(*root).chain(about.filter(is_version)).collect()
    }

    /// A message's hub could not prove it later (AMB-FRK-8).
    pub(crate) fn mark_unfrankable(&mut self, id: &MessageId, reason: String) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.frank_fault = Some(reason);
        }
    }

    /// A message as it was first sent.
    pub(crate) fn content(&self, id: &MessageId) -> Option<&MimiContent> {
        self.entries.get(id).map(|entry| &entry.content)
    }

    /// The first version of a message: `replaces` points at it, or at a version of it
    /// (CONTENT-MSG-2, AMB-CNT-12).
    pub(crate) fn root(&self, id: &MessageId) -> Option<MessageId> {
        let entry = self.entries.get(id)?;
        match entry.role {
            _ if entry.is_refused() => Some(*id),
            Role::Edit { of }
            | Role::TopicEdit { of }
            | Role::Deletion { of }
            | Role::ReactionEdit { of, .. }
            | Role::ReactionDeletion { of, .. } => Some(of),
            Role::Plain { .. } | Role::Reaction { .. } => Some(*id),
        }
    }

    /// The topic of a message as it is now, given by its first version; empty for none.
    pub(crate) fn topic(&self, root: &MessageId) -> &[u8] {
        let about = self.about.get(root).into_iter().flatten().rev();
        let mut edits = about.filter_map(|(_, id)| self.entries.get(id));
        let newest = edits.find(|entry| entry.sets_topic()).or_else(|| self.entries.get(root));
        newest.map_or(&[], |entry| &entry.content.topic_id)
    }

    /// Whether a body is that of some version of a message.
    fn is_version(&self, root: &MessageId, content: &MimiContent) -> bool {
        let about = self.about.get(root).into_iter().flatten().map(|(_, id)| id);
        let versions = std::iter::once(root).chain(about).filter_map(|id| self.entries.get(id));
        let mut bodies = versions.filter_map(|entry| match entry.role {
            Role::Plain { .. } | Role::Edit { .. } => Some(&entry.content.body),
            _ => None,
        });
        bodies.any(|body| *body == content.body)
    }

    /// The newest version, which replies and reactions refer to (CONTENT-REP-2).
    pub(crate) fn newest_version(&self, root: &MessageId) -> MessageId {
        let about = self.about.get(root).into_iter().flatten().rev();
        let mut edits = about.filter(|(_, id)| {
            self.entries.get(id).is_some_and(|entry| matches!(entry.role, Role::Edit { .. }))
        });
        edits.next().map_or(*root, |(_, id)| *id)
    }

    /// What a message would be; the reason if it would be nothing. To be about something unknown is
    /// no misdeed (CONTENT-SEC-2), only nothing to show.
    pub(crate) fn role(&self, content: &MimiContent) -> Result<Role, &'static str> {
        let takes_back = content.body.part == Part::Null;
        let reacts = content.body.disposition == Disposition::REACTION;
        let Some(replaced) = &content.replaces else {
            return match content.in_reply_to {
                // AMB-CNT-14, AMB-CNT-22.
                _ if takes_back => Err("it takes back nothing"),
                None if reacts => Err("it reacts to nothing"),
                Some(to) if reacts => {
                    let to = self.root(&to).ok_or("it reacts to an unknown message")?;
                    Ok(Role::Reaction { to })
                }
                in_reply_to => Ok(Role::Plain { in_reply_to }),
            };
        };
        let of = self.root(replaced).ok_or("it replaces an unknown message")?;
        let original = self.entries.get(&of).ok_or("it replaces an unknown message")?;
        Ok(match (original.role, takes_back) {
            (Role::Reaction { to }, true) => Role::ReactionDeletion { of, to },
            (Role::Reaction { to }, false) => Role::ReactionEdit { of, to },
            (_, true) => Role::Deletion { of },
            (_, false) if content.topic_id != self.topic(&of) && self.is_version(&of, content) => {
                Role::TopicEdit { of }
            }
            (_, false) => Role::Edit { of },
        })
    }

    /// Takes in a message; gives the one to show, as first sent: itself, or the one it changes.
    pub(crate) fn insert(
        &mut self,
        stored: &StoredMessage,
        content: MimiContent,
        role: Role,
        verdict: Verdict,
    ) -> MessageId {
        let key = (stored.timestamp_ms, stored.id);
        let is_refused = matches!(verdict, Verdict::Refused(_));
        let shown = match role {
            _ if is_refused => {
                self.order.insert(key);
                stored.id
            }
            Role::Plain { .. } => {
                self.order.insert(key);
                stored.id
            }
            Role::Reaction { to: about }
            | Role::Edit { of: about }
            | Role::TopicEdit { of: about }
            | Role::Deletion { of: about }
            | Role::ReactionEdit { to: about, .. }
            | Role::ReactionDeletion { to: about, .. } => {
                self.about.entry(about).or_default().insert(key);
                about
            }
        };
        let entry = Entry {
            sender: stored.sender.clone(),
            timestamp_ms: stored.timestamp_ms,
            role,
            verdict,
            text: content.shown_text(),
            content,
            frank_fault: None,
        };
        self.entries.insert(stored.id, entry);
        shown
    }

    /// All messages, in order.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> Vec<ShownMessage> {
        self.order.iter().filter_map(|(_, id)| self.show(id)).collect()
    }

    /// A plain message, given by its first version, with all that is about it.
    ///
    /// Edits change its text alone, whatever else they say (CONTENT-EDIT-2). What it answers is what
    /// its first version says, and that names a message older than its own ID: replies make no loop
    /// (CONTENT-REP-1).
    pub(crate) fn show(&self, id: &MessageId) -> Option<ShownMessage> {
        let entry = self.entries.get(id)?;
        if let Verdict::Refused(refusal) = &entry.verdict {
            let attempt = self.attempt(entry);
            let refusal = refusal.clone();
            let refused = RefusedMessage { attempt, reason: refusal.reason, rule: refusal.rule };
            return Some(ShownMessage { refused: Some(Box::new(refused)), ..bare(id, entry) });
        }
        let Role::Plain { in_reply_to } = entry.role else { return None };
        let mut shown = ShownMessage {
            text: entry.text.clone(),
            body: Some(entry.content.body.clone()),
            answers_expired: in_reply_to.is_some_and(|to| self.expired.contains(&to)),
            in_reply_to: in_reply_to.map(|to| self.root(&to).unwrap_or(to)),
            topic: self.topic(id).to_vec(),
            attachments: attachments(&entry.content),
            ..bare(id, entry)
        };
        let mut reactions: Vec<(MessageId, &MimiUri, &str)> = Vec::new();
        for (_, id) in self.about.get(id).into_iter().flatten() {
            let Some(entry) = self.entries.get(id) else { continue };
            match (entry.role, &entry.text) {
                (Role::Edit { .. }, text) if !shown.deleted => {
                    shown.text.clone_from(text);
                    shown.body = Some(entry.content.body.clone());
                    shown.attachments = attachments(&entry.content);
                    shown.edited = true;
                }
                (Role::Deletion { .. }, _) => {
                    shown.text = None;
                    shown.body = None;
                    shown.attachments.clear();
                    shown.deleted = true;
                }
                (Role::Reaction { .. }, Some(text)) => reactions.push((*id, &entry.sender, text)),
                (Role::ReactionEdit { of, .. }, Some(text)) => {
                    for reaction in reactions.iter_mut().filter(|(id, _, _)| *id == of) {
                        reaction.2 = text;
                    }
                }
                (Role::ReactionDeletion { of, .. }, _) => reactions.retain(|(id, _, _)| *id != of),
                _ => {}
            }
        }
        for (_, sender, text) in reactions {
            // Saying the same twice adds nothing.
            let reaction = (sender.clone(), text.to_owned());
            if !shown.reactions.contains(&reaction) {
                shown.reactions.push(reaction);
            }
        }
        if shown.edited && !shown.deleted {
            shown.versions = self.shown_versions(id);
        }
        Some(shown)
    }

    /// What an edited message has said one after another, the present included, and who has reacted
    /// to which of it (CONTENT-EDIT-3).
    fn shown_versions(&self, root: &MessageId) -> Vec<ShownVersion> {
        let about = || self.about.get(root).into_iter().flatten().map(|(_, id)| id);
        let is_edit = |id: &&MessageId| {
            self.entries.get(*id).is_some_and(|entry| matches!(entry.role, Role::Edit { .. }))
        };
        let reactions_to = |version: &MessageId| {
            let reactions = about().filter_map(|id| self.entries.get(id));
            let to_it = reactions.filter(|entry| {
                matches!(entry.role, Role::Reaction { .. })
                    && entry.content.in_reply_to.as_ref() == Some(version)
            });
            to_it.map(|entry| entry.sender.clone()).collect()
        };
        let version = |id: &MessageId| {
            let entry = self.entries.get(id)?;
            Some(ShownVersion {
                id: *id,
                timestamp_ms: entry.timestamp_ms,
                text: entry.text.clone(),
                reacted: reactions_to(id),
            })
        };
        std::iter::once(root).chain(about().filter(is_edit)).filter_map(version).collect()
    }

    /// What a refused message was to do.
    fn attempt(&self, entry: &Entry) -> Attempt {
        let text = entry.text.clone();
        match entry.role {
            Role::Plain { .. } => Attempt::Send { text },
            Role::Reaction { to } => Attempt::React { to, reaction: text },
            Role::Edit { of } => Attempt::Edit { message: of, text },
            Role::TopicEdit { of } => {
                Attempt::SetTopic { message: of, topic: entry.content.topic_id.clone() }
            }
            Role::Deletion { of } => Attempt::Delete { message: of },
            Role::ReactionEdit { to, .. } => Attempt::ChangeReaction { to, reaction: text },
            Role::ReactionDeletion { to, .. } => Attempt::TakeBackReaction { to },
        }
    }
}

/// The files that a message offers, in the order of its parts.
fn attachments(content: &MimiContent) -> Vec<ExternalPart> {
    let parts = content.parts();
    let external = parts.iter().filter_map(|part| match &part.part.part {
        Part::External(external) => Some(ExternalPart::clone(external)),
        _ => None,
    });
    external.collect()
}

/// A message without what it says.
fn bare(id: &MessageId, entry: &Entry) -> ShownMessage {
    ShownMessage {
        id: *id,
        sender: entry.sender.clone(),
        timestamp_ms: entry.timestamp_ms,
        text: None,
        body: None,
        in_reply_to: None,
        answers_expired: false,
        topic: Vec::new(),
        attachments: Vec::new(),
        edited: false,
        deleted: false,
        versions: Vec::new(),
        reactions: Vec::new(),
        statuses: Vec::new(),
        ends_ms: None,
        refused: None,
        unfrankable: entry.frank_fault.clone(),
    }
}

#[cfg(test)]
mod tests;
