//! Component 0x002F, `bot_policy` (room-policy-03 section 6.7). The update format is the data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::{LIST_ELEMENTS_MAX, TEXT_OCTETS_MAX};
use crate::room::optionality::read_uri;
use crate::room::participant_list::RoleIndex;

/// `Bot`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Bot {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Where to learn more; empty where there is none.
    pub homepage: String,
    /// Runs inside a participant's client; then it has no role, which is index 0 (POLICY-BOT-1).
    pub local_client_bot: bool,
    /// Its role in the room.
    pub bot_role_index: RoleIndex,
    /// Whether it may address a single participant in the room.
    pub can_target_message_in_group: bool,
    /// Whether it shows different content to different users.
    pub per_user_content: bool,
}

/// `BotPolicy`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BotPolicy {
    /// The bots that may be in the room.
    pub allowed_bots: Vec<Bot>,
}

impl Wire for Bot {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = reader.text(TEXT_OCTETS_MAX, "Bot.name")?;
        let description = reader.text(TEXT_OCTETS_MAX, "Bot.description")?;
        let homepage = read_uri(reader, "Bot.homepage")?;
        let local_client_bot = reader.boolean("Bot.local_client_bot")?;
        let field = "Bot.bot_role_index";
        let start = reader.clone();
        let bot_role_index = reader.u32(field)?;
        if local_client_bot && bot_role_index != 0 {
            return Err(start.malformed(field, "a local bot has role index 0 (POLICY-BOT-1)"));
        }
        Ok(Self {
            name,
            description,
            homepage,
            local_client_bot,
            bot_role_index,
            can_target_message_in_group: reader.boolean("Bot.can_target_message_in_group")?,
            per_user_content: reader.boolean("Bot.per_user_content")?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.opaque(self.name.as_bytes());
        writer.opaque(self.description.as_bytes());
        writer.opaque(self.homepage.as_bytes());
        writer.boolean(self.local_client_bot);
        writer.u32(self.bot_role_index);
        writer.boolean(self.can_target_message_in_group);
        writer.boolean(self.per_user_content);
    }
}

impl Wire for BotPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "BotPolicy.allowed_bots";
        Ok(Self { allowed_bots: reader.vector(LIST_ELEMENTS_MAX, field, Bot::read)? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.vector(&self.allowed_bots, |writer, bot| bot.write(writer));
    }
}
