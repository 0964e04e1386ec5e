//! The devices of the user: who they are, and signing them out.

use mimi_wire::MimiUri;

use crate::error::ClientError;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Purpose, refusal};
use crate::session::request::{Request, Response};
use crate::session::{Session, not_registered};

impl Session {
    pub(crate) fn ask_devices(&mut self, operation: OperationId) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.effects.request(Purpose::Devices(operation), Request::Devices);
        Ok(())
    }

    pub(crate) fn devices_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Devices(devices)) => Ok(Outcome::Devices(devices)),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }

    /// The provider takes it out of its rooms as well, in those it is the hub of.
    pub(crate) fn ask_sign_out(
        &mut self,
        operation: OperationId,
        client: MimiUri,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.effects.request(Purpose::SignOut(operation), Request::SignOutDevice(client));
        Ok(())
    }

    pub(crate) fn ask_sign_out_others(
        &mut self,
        operation: OperationId,
    ) -> Result<(), ClientError> {
        self.identity().ok_or_else(not_registered)?;
        self.effects.request(Purpose::SignOut(operation), Request::SignOutOthers);
        Ok(())
    }

    pub(crate) fn sign_out_answered(&mut self, operation: OperationId, answer: Answer) {
        let result = match answer.result {
            Ok(Response::Done) => Ok(Outcome::Done),
            other => Err(refusal(other)),
        };
        self.effects.finish(Some(operation), result);
    }
}
