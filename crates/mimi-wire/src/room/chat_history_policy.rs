//! Component 0x002E, `chat_history_policy` (room-policy-03 section 6.6). The update format is the data
//! format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::room::optionality::{Conditional, read_u32s, read_unless_forbidden};
use crate::room::participant_list::RoleIndex;

/// Who may share how much with new joiners.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct HistorySharing {
    /// Never the roles 0 and 1 (POLICY-HIST-1).
    pub roles_that_can_share: Vec<RoleIndex>,
    /// Without anyone asking for it.
    pub automatically_share: bool,
    /// Seconds back from now.
    pub max_time_period: u32,
}

/// `HistoryPolicy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HistoryPolicy {
    /// Whether and how history is shared.
    pub history_sharing: Conditional<HistorySharing>,
}

impl Wire for HistoryPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let field = "HistoryPolicy.history_sharing";
        let history_sharing =
            read_unless_forbidden(reader, field, |reader, _| read_sharing(reader))?;
        Ok(Self { history_sharing })
    }

    fn write(&self, writer: &mut Writer) {
        self.history_sharing.write_with(writer, |writer, sharing| {
            writer.vector(&sharing.roles_that_can_share, |writer, role| writer.u32(*role));
            writer.boolean(sharing.automatically_share);
            writer.u32(sharing.max_time_period);
        });
    }
}

fn read_sharing(reader: &mut Reader<'_>) -> Result<HistorySharing, Malformed> {
    let field = "HistoryPolicy.roles_that_can_share";
    let start = reader.clone();
    let roles_that_can_share = read_u32s(reader, field)?;
    if let Some(role) = roles_that_can_share.iter().find(|role| **role < 2) {
        let reason = format!("role {role} cannot share history (POLICY-HIST-1)");
        return Err(start.malformed(field, reason));
    }
    Ok(HistorySharing {
        roles_that_can_share,
        automatically_share: reader.boolean("HistoryPolicy.automatically_share")?,
        max_time_period: reader.u32("HistoryPolicy.max_time_period")?,
    })
}
