//! What is inside an application message, by the framing of its room (AMB-CNT-18, AMB-STA-1).

use mimi_policy::RoomView;
use mimi_wire::Wire;
use mimi_wire::component::CONTENT_MEDIA_TYPES;
use mimi_wire::media::ApplicationFraming;
use mimi_wire::status::MessageStatusReport;

use crate::session::franking;

/// What is inside the framing.
pub(crate) enum Unframed {
    Content(Vec<u8>),
    Report(MessageStatusReport),
    /// A media type that is no message (AMB-CNT-18).
    Other,
}

pub(crate) fn unframed(view: &RoomView, application_data: &[u8]) -> Result<Unframed, String> {
    if !view.other_components.contains_key(&CONTENT_MEDIA_TYPES) {
        return Ok(Unframed::Content(application_data.to_vec()));
    }
    let framing =
        ApplicationFraming::decode(application_data).map_err(|error| error.to_string())?;
    // AMB-STA-1: where there is a framing, a report may stand in it alone.
    let report = MessageStatusReport::from_framing(&framing).map_err(|error| error.to_string())?;
    if let Some(report) = report {
        return Ok(Unframed::Report(report));
    }
    Ok(match franking::is_content(view, &framing) {
        true => Unframed::Content(framing.inner_application_content),
        false => Unframed::Other,
    })
}
