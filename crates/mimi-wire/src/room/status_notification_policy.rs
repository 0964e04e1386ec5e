//! Component 0x0028, `status_notification_policy` (room-policy-03 section 6.1). The update format is
//! the data format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::room::optionality::Optionality;
use crate::status::{MessageStatus, MessageStatusReport};

/// `StatusNotificationPolicy` (POLICY-STAT-1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct StatusNotificationPolicy {
    /// Of delivery.
    pub delivery_notifications: Optionality,
    /// Of reading.
    pub read_receipts: Optionality,
}

impl StatusNotificationPolicy {
    /// Which setting governs a status: delivery its own, every other one that of reading
    /// (AMB-STA-3).
    pub fn of(&self, status: MessageStatus) -> Optionality {
        match status {
            MessageStatus::DELIVERED => self.delivery_notifications,
            _ => self.read_receipts,
        }
    }

    /// What of a report is to be sent (STATUS-3): all that is required, nothing that is forbidden,
    /// and of the rest what the person wishes. None if nothing is left.
    pub fn permitted(
        &self,
        report: &MessageStatusReport,
        wishes: impl Fn(MessageStatus) -> bool,
    ) -> Option<MessageStatusReport> {
        let is_sent = |status: MessageStatus| match self.of(status) {
            Optionality::Required => true,
            Optionality::Optional => wishes(status),
            Optionality::Forbidden => false,
        };
        let entries = report.0.iter().filter(|(_, status)| is_sent(*status));
        let permitted: Vec<_> = entries.copied().collect();
        (!permitted.is_empty()).then_some(MessageStatusReport(permitted))
    }
}

impl Wire for StatusNotificationPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let delivery = "StatusNotificationPolicy.delivery_notifications";
        let receipts = "StatusNotificationPolicy.read_receipts";
        Ok(Self {
            delivery_notifications: Optionality::read_field(reader, delivery)?,
            read_receipts: Optionality::read_field(reader, receipts)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        self.delivery_notifications.write(writer);
        self.read_receipts.write(writer);
    }
}
