//! A message that its receivers do not apply, as a person is told of it.

use mimi_wire::content::MessageId;
use tombolo_client::{Attempt, RefusedMessage};

use crate::plain::one_line;

/// `tried to edit [4]: not applied: …`. What it would have said is not repeated: whoever may not
/// speak must not be heard by breaking the rules.
pub(crate) fn told(refused: &RefusedMessage, mut number: impl FnMut(MessageId) -> usize) -> String {
    let tried = match &refused.attempt {
        Attempt::Send { .. } => "tried to write".to_owned(),
        Attempt::React { to, .. } => format!("tried to react to [{}]", number(*to)),
        Attempt::Edit { message, .. } => format!("tried to edit [{}]", number(*message)),
        Attempt::SetTopic { message, topic } => {
            format!("tried to put [{}] under {}", number(*message), topic_name(topic))
        }
        Attempt::Delete { message } => format!("tried to take back [{}]", number(*message)),
        Attempt::ChangeReaction { to, .. } => {
            format!("tried to change a reaction to [{}]", number(*to))
        }
        Attempt::TakeBackReaction { to } => {
            format!("tried to take back a reaction to [{}]", number(*to))
        }
        _ => "tried something that this client does not know".to_owned(),
    };
    format!("{tried}: not applied, because {}", one_line(&refused.reason))
}

/// A topic is any octets; most are words.
pub(crate) fn topic_name(topic: &[u8]) -> String {
    match std::str::from_utf8(topic) {
        Ok("") => "no topic".to_owned(),
        Ok(text) => one_line(text),
        Err(_) => topic.iter().take(4).map(|octet| format!("{octet:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use mimi_wire::content::MessageId;
    use tombolo_client::{Attempt, RefusedMessage};

    use super::told;

    #[test]
    fn a_refused_message_is_told_without_its_words() {
        let attempt =
            Attempt::Edit { message: MessageId([1; 32]), text: Some("evil\nwords".to_owned()) };
        let reason = "bob may not change the message of somebody else".to_owned();
        let refused = RefusedMessage { attempt, reason, rule: String::new() };
        let line = told(&refused, |_| 4);
        let expected = "tried to edit [4]: not applied, because bob may not change the message of \
                        somebody else";
        assert_eq!(line, expected);
    }
}
