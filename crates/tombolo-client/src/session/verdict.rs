//! What a receiver makes of a message: applied as what it is, or shown as what was refused
//! (CONTENT-EDIT-1, POLICY-CAP-MSG-2, POLICY-CAP-ASSET-1).
//!
//! Asked with the room as it was in the message's own epoch, by who receives a message and by who
//! sends it, so that all come to the same answer.

use mimi_policy::message::{Asset, MessageAction, may_apply};
use mimi_policy::{Denied, RoomView};
use mimi_render::{HtmlLink, Link, LinkTarget, SafeHtml, Text};
use mimi_wire::MimiUri;
use mimi_wire::content::{Disposition, MessageId, MimiContent, NestedPart, Part};
use mimi_wire::media::{ContentType, TextFormat};
use serde::{Deserialize, Serialize};

use crate::session::timeline::{Role, Timeline};

/// See the module.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Verdict {
    /// Applied.
    Applied,
    /// An edit whose text is applied, and whose new topic is not (AMB-CNT-13).
    KeepsTopic,
    /// Not applied.
    Refused(Refusal),
}

/// Why a message is not applied, as stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Refusal {
    /// A sentence.
    pub(crate) reason: String,
    /// Rule and requirement, for a log.
    pub(crate) rule: String,
}

impl From<&Denied> for Refusal {
    fn from(denied: &Denied) -> Self {
        let rule = format!("{} ({})", denied.rule.name(), denied.rule.id());
        Self { reason: denied.to_string(), rule }
    }
}

/// Judges a message by its sender's role.
pub(crate) fn judge(
    view: &RoomView,
    sender: &MimiUri,
    content: &MimiContent,
    role: &Role,
    timeline: &Timeline,
) -> Result<Verdict, Denied> {
    let may = |action: MessageAction<'_>| may_apply(view, sender, action);
    let by = |id: &MessageId| timeline.sender(id).unwrap_or(sender);
    match role {
        Role::Plain { in_reply_to } => {
            for action in plain(content, in_reply_to.as_ref(), timeline) {
                may(action)?;
            }
            may_offer(content, may)?;
        }
        Role::Reaction { .. } => may(MessageAction::React)?,
        Role::Edit { of } => {
            may(MessageAction::Edit { original_sender: by(of) })?;
            may_offer(content, may)?;
            let topic = MessageAction::EditTopic { original_sender: by(of) };
            if content.topic_id != timeline.topic(of) && may(topic).is_err() {
                return Ok(Verdict::KeepsTopic);
            }
        }
        Role::TopicEdit { of } => may(MessageAction::EditTopic { original_sender: by(of) })?,
        Role::Deletion { of } => may(MessageAction::Delete { original_sender: by(of) })?,
        Role::ReactionEdit { of, .. } => {
            may(MessageAction::EditReaction { original_sender: by(of) })?;
        }
        Role::ReactionDeletion { of, .. } => {
            may(MessageAction::DeleteReaction { original_sender: by(of) })?;
        }
    }
    Ok(Verdict::Applied)
}

/// What a message of its own is, besides what it offers. A reply is in the topic of what it answers
/// or starts one; of a message that is not known, who knows.
fn plain<'a>(
    content: &MimiContent,
    in_reply_to: Option<&MessageId>,
    timeline: &Timeline,
) -> Vec<MessageAction<'a>> {
    let in_topic = !content.topic_id.is_empty();
    let Some(answered) = in_reply_to else {
        let topic = in_topic.then_some(MessageAction::StartTopic);
        return std::iter::once(MessageAction::Send).chain(topic).collect();
    };
    let answered = timeline.root(answered);
    let same = answered.is_none_or(|root| timeline.topic(&root) == content.topic_id);
    match (in_topic, same) {
        (false, _) => vec![MessageAction::Reply],
        (true, true) => vec![MessageAction::ReplyInTopic],
        (true, false) => vec![MessageAction::Reply, MessageAction::StartTopic],
    }
}

/// Assets, links and previews of links, whatever part they are in.
fn may_offer(
    content: &MimiContent,
    may: impl Fn(MessageAction<'static>) -> Result<(), Denied>,
) -> Result<(), Denied> {
    let mut offers = Offers::default();
    offers.read(&content.body, None);
    offers.assets.into_iter().try_for_each(|asset| may(MessageAction::Upload(asset)))?;
    if offers.links || offers.previews {
        may(MessageAction::SendLink)?;
    }
    if offers.previews {
        may(MessageAction::SendLinkPreview)?;
    }
    Ok(())
}

/// What the parts of a message offer.
#[derive(Debug, Default)]
struct Offers {
    assets: Vec<Asset>,
    links: bool,
    previews: bool,
}

impl Offers {
    /// `within` is the disposition of a part around this one that decides for all inside it.
    fn read(&mut self, part: &NestedPart, within: Option<Disposition>) {
        let disposition = within.unwrap_or(part.disposition);
        let decides = [Disposition::ATTACHMENT, Disposition::PREVIEW].contains(&disposition);
        match &part.part {
            Part::Null => {}
            Part::Multi { parts, .. } => {
                for part in parts {
                    self.read(part, decides.then_some(disposition));
                }
            }
            Part::External(external) => self.file(disposition, &external.content_type),
            Part::Single { content_type, content } => {
                self.file(disposition, content_type);
                // What is attached is no part of the text.
                if disposition != Disposition::ATTACHMENT {
                    self.links |= has_link(content_type, content);
                }
            }
        }
    }

    fn file(&mut self, disposition: Disposition, content_type: &str) {
        match disposition {
            Disposition::PREVIEW => self.previews = true,
            Disposition::REACTION | Disposition::PROFILE | Disposition::SESSION => {}
            // Inline parts and icons are rendered too, as is what nobody knows.
            _ => {
                let is_attached = disposition == Disposition::ATTACHMENT;
                let essence = ContentType::parse(content_type).essence;
                self.assets.extend(Asset::of(is_attached, &essence));
            }
        }
    }
}

/// Whether a text has a link in it. Mentions and other parts of the message are none.
fn has_link(content_type: &str, content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else { return false };
    match ContentType::parse(content_type).text_format() {
        Some(TextFormat::GfmMimi | TextFormat::CommonMark) => {
            Text::from_markdown(text).links().into_iter().any(|Link { target, .. }| leads(target))
        }
        Some(TextFormat::Html) => {
            let links = SafeHtml::sanitize(text).links();
            links.iter().any(|HtmlLink { target, .. }| leads(target))
        }
        Some(TextFormat::Plain) | None => false,
    }
}

fn leads(target: &LinkTarget) -> bool {
    match target {
        LinkTarget::Mimi(uri) => !uri.is_user(),
        LinkTarget::Part(_) => false,
        LinkTarget::Web(_) | LinkTarget::Refused(_) => true,
    }
}

#[cfg(test)]
mod tests;
