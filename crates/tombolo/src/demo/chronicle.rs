//! What must be true of the messages, kept beside the story: who wrote what, and who was there.

use std::collections::BTreeSet;

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use tombolo_client::ShownMessage;

/// A message as every device that was there must show it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: MessageId,
    pub(crate) sender: MimiUri,
    /// Every text it ever had; the last one is shown, unless it was deleted.
    pub(crate) texts: Vec<String>,
    pub(crate) in_reply_to: Option<MessageId>,
    pub(crate) deleted: bool,
    pub(crate) reactions: Vec<(MimiUri, String)>,
    /// Names of the devices that were in the room.
    pub(crate) seen_by: BTreeSet<String>,
}

/// Every message of the story.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chronicle {
    pub(crate) told: Vec<Told>,
}

impl Chronicle {
    /// A message was written while these devices were in the room.
    pub(crate) fn wrote(
        &mut self,
        id: MessageId,
        sender: &MimiUri,
        text: &str,
        seen_by: &BTreeSet<String>,
    ) -> &mut Told {
        self.told.push(Told {
            id,
            sender: sender.clone(),
            texts: vec![text.to_owned()],
            in_reply_to: None,
            deleted: false,
            reactions: Vec::new(),
            seen_by: seen_by.clone(),
        });
        self.told.last_mut().expect("just pushed")
    }

    /// A message told before.
    pub(crate) fn message(&mut self, id: MessageId) -> &mut Told {
        self.told.iter_mut().find(|told| told.id == id).expect("the story told it")
    }

    /// Every text anybody ever wrote.
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.told.iter().flat_map(|told| told.texts.iter().cloned());
        texts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Ids of what a device must show.
    pub(crate) fn seen_by(&self, device: &str) -> BTreeSet<MessageId> {
        let seen = self.told.iter().filter(|told| told.seen_by.contains(device));
        seen.map(|told| told.id).collect()
    }
}

impl Told {
    /// Why a device shows this message wrongly, or nothing.
    pub(crate) fn differs(&self, shown: &ShownMessage) -> Option<String> {
        let text = if self.deleted { None } else { self.texts.last() };
        if shown.sender != self.sender {
            Some(format!("its sender is {}, not {}", shown.sender, self.sender))
        } else if shown.text.as_ref() != text {
            Some("its text differs".to_owned())
        } else if shown.deleted != self.deleted {
            Some(format!("deleted is {}", shown.deleted))
        } else if shown.edited != (self.texts.len() > 1) {
            Some(format!("edited is {}", shown.edited))
        } else if shown.in_reply_to != self.in_reply_to {
            Some("it answers another message".to_owned())
        } else if shown.reactions != self.reactions {
            Some(format!("its reactions are {:?}", shown.reactions))
        } else {
            None
        }
    }
}
