//! What a person says about messages: how long they last, who hears of their being read, what they
//! said before.

use mimi_wire::MimiUri;
use mimi_wire::content::MessageId;
use tombolo_client::{Client, ClientError, Lifetime, ReceiptSetting, ShownMessage};

use crate::chat::display::{self, Reader};
use crate::chat::input;
use crate::chat::operation::Done;
use crate::chat::words::duration;

/// A command of this kind, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum MessageInput {
    Plain(String),
    Versions(usize),
    WhoRead(usize),
    Receipts(Option<ReceiptSetting>),
    Expire(Option<Lifetime>),
}

impl MessageInput {
    /// The message that it is about.
    pub(crate) fn number(&self) -> Option<usize> {
        match self {
            Self::Versions(number) | Self::WhoRead(number) => Some(*number),
            Self::Plain(_) | Self::Receipts(_) | Self::Expire(_) => None,
        }
    }
}

/// Understands a command, if it is one of these.
pub(crate) fn parse(name: &str, rest: &str) -> Option<Result<MessageInput, String>> {
    Some(match name {
        "plain" => input::words(rest, "/plain TEXT").map(MessageInput::Plain),
        "versions" => input::number(rest, "/versions N").map(MessageInput::Versions),
        "who" => {
            let number = rest.strip_prefix("read")?.trim();
            input::number(number, "/who read N").map(MessageInput::WhoRead)
        }
        "receipts" => receipts(rest).map(MessageInput::Receipts),
        "expire" => lifetime(rest).map(MessageInput::Expire),
        _ => return None,
    })
}

fn receipts(rest: &str) -> Result<Option<ReceiptSetting>, String> {
    Ok(Some(match rest {
        "" => return Ok(None),
        "on" => ReceiptSetting { delivered: true, read: true },
        "delivered" => ReceiptSetting { delivered: true, read: false },
        "off" => ReceiptSetting { delivered: false, read: false },
        _ => return Err("write it as /receipts on, /receipts delivered or /receipts off".into()),
    }))
}

fn lifetime(rest: &str) -> Result<Option<Lifetime>, String> {
    let usage = || "write it as /expire 30m (or 45s, 12h, 7d), /expire off or /expire default";
    Ok(Some(match rest {
        "" => return Ok(None),
        "off" | "never" => Lifetime::Unlimited,
        "default" => Lifetime::AsSuggested,
        _ => {
            let unit = rest.chars().last().ok_or_else(usage)?;
            let seconds: u32 = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                _ => return Err(usage().to_owned()),
            };
            let number = rest[..rest.len() - 1].trim().parse::<u32>().map_err(|_| usage())?;
            Lifetime::Seconds(number.checked_mul(seconds).ok_or_else(usage)?)
        }
    }))
}

/// Does what was said; `message` is the one that the line names.
pub(crate) async fn run(
    client: &Client,
    room: &MimiUri,
    command: MessageInput,
    message: Option<MessageId>,
    reader: &Reader,
) -> Result<Done, ClientError> {
    Ok(match (command, message) {
        (MessageInput::Plain(text), _) => {
            client.send_plain(room, &text).await?;
            Done::Quietly
        }
        (MessageInput::Versions(number), Some(id)) => {
            let message = shown(client, room, id).await?;
            Done::Say(display::versions(reader, number, &message))
        }
        (MessageInput::WhoRead(number), Some(id)) => {
            let message = shown(client, room, id).await?;
            let own = message.sender == client.identity().user;
            Done::Say(match own {
                true => display::who_read(number, &message),
                false => format!("-- [{number}] is not yours: its author is told"),
            })
        }
        (MessageInput::Receipts(wanted), _) => {
            if let Some(wanted) = wanted {
                client.set_receipts(wanted).await?;
            }
            Done::Say(receipts_told(client.receipts().await?.unwrap_or_default()))
        }
        (MessageInput::Expire(wanted), _) => {
            if let Some(wanted) = wanted {
                client.set_lifetime(room, wanted).await?;
            }
            Done::Say(match client.room(room).await?.lifetime_s {
                Some(seconds) => {
                    let time = duration(seconds.into());
                    format!("-- what you write here is gone {time} after it is read")
                }
                None => "-- what you write here stays".to_owned(),
            })
        }
        (MessageInput::Versions(_) | MessageInput::WhoRead(_), None) => Done::Quietly,
    })
}

/// What others hear of their messages.
pub(crate) fn receipts_told(setting: ReceiptSetting) -> String {
    let heard = match (setting.delivered, setting.read) {
        (true, true) => {
            "see what has arrived here and what you have read; /receipts off changes it"
        }
        (true, false) => {
            "see what has arrived here, not what you have read; /receipts on shows both"
        }
        (false, true) => "see what you have read; /receipts off changes it",
        (false, false) => {
            "do not see what has arrived here or what you have read, except in rooms \
                           that require it; /receipts on shows it"
        }
    };
    format!("-- others {heard}")
}

async fn shown(
    client: &Client,
    room: &MimiUri,
    id: MessageId,
) -> Result<ShownMessage, ClientError> {
    let messages = client.room(room).await?.messages;
    let found = messages.into_iter().find(|message| message.id == id);
    found.ok_or_else(|| ClientError::Other("that message is gone".to_owned()))
}

#[cfg(test)]
mod tests {
    use tombolo_client::{Lifetime, ReceiptSetting};

    use super::{MessageInput, parse};

    #[test]
    fn commands() {
        let understood = |name: &str, rest: &str| parse(name, rest).unwrap().unwrap();
        let seconds = |seconds| MessageInput::Expire(Some(Lifetime::Seconds(seconds)));
        assert_eq!(understood("expire", "45s"), seconds(45));
        assert_eq!(understood("expire", "2h"), seconds(7_200));
        assert_eq!(understood("expire", "off"), MessageInput::Expire(Some(Lifetime::Unlimited)));
        assert_eq!(understood("expire", ""), MessageInput::Expire(None));
        for wrong in ["5", "m", "99999999d", "5é", "-5m"] {
            assert!(parse("expire", wrong).unwrap().is_err(), "{wrong}");
        }
        assert_eq!(understood("who", "read 4"), MessageInput::WhoRead(4));
        assert!(parse("who", "").is_none() && parse("write", "x").is_none());
        let delivered = ReceiptSetting { delivered: true, read: false };
        assert_eq!(understood("receipts", "delivered"), MessageInput::Receipts(Some(delivered)));
        assert!(parse("receipts", "maybe").unwrap().is_err());
        assert_eq!(understood("plain", "*x*"), MessageInput::Plain("*x*".to_owned()));
    }
}
