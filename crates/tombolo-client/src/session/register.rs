//! Becoming a device: the provider certifies the signature key, the certificate is checked as every
//! other client will check it, and KeyPackages are published.

use mimi_mls::identity::identify;
use mimi_policy::ClientIdentity;
use mimi_wire::Domain;

use crate::error::ClientError;
use crate::secret::SecretText;
use crate::session::Session;
use crate::session::command::{OperationId, Outcome};
use crate::session::effects::{Answer, Moment, Purpose, refusal};
use crate::session::request::{Request, Response};
use crate::session::saved::{self, SavedAccount};

/// A registration under way.
#[derive(Debug)]
pub(crate) struct Registering {
    operation: OperationId,
}

impl Session {
    pub(crate) fn register(
        &mut self,
        operation: OperationId,
        user: String,
        password: SecretText,
        device: String,
    ) -> Result<(), ClientError> {
        if self.account.is_some() || self.registering.is_some() {
            return Err(ClientError::Other("this device is registered already".to_owned()));
        }
        // The key must outlive a lost answer: the provider may have certified it.
        self.save_device();
        match &self.unproven {
            // Certified before a restart; what is left is to check it.
            Some(account) => {
                let client = &account.identity.client;
                if client.segments() != [user, device] {
                    let text = format!("the file holds a registration of {client}");
                    return Err(ClientError::Other(text));
                }
                self.issuers.need(client.domain(), &mut self.effects);
            }
            None => {
                let signature_key = self.device.signature_key().to_vec();
                let request = Request::Register { user, password, device, signature_key };
                self.effects.request(Purpose::Register, request);
            }
        }
        self.registering = Some(Registering { operation });
        Ok(())
    }

    pub(crate) fn registration_answered(&mut self, answer: Answer) {
        let certified = match answer.result {
            Ok(Response::Registered { user, client, token, certificate_chain }) => {
                let identity = ClientIdentity { user, client, claims: Vec::new() };
                let taken = self.device.certify(&certificate_chain, identity.clone());
                let token = token.reveal().to_owned();
                taken
                    .map(|()| SavedAccount { identity, token, proven: false })
                    .map_err(|error| ClientError::Other(format!("the certificate: {error}")))
            }
            other => Err(refusal(other)),
        };
        match certified {
            Ok(account) => {
                self.save_device();
                self.effects.put(saved::ACCOUNT, &account);
                self.issuers.need(account.identity.user.domain(), &mut self.effects);
                self.unproven = Some(account);
            }
            Err(error) => self.end_registration(Err(error)),
        }
    }

    /// The issuers of our own provider are known, or will not be.
    pub(crate) fn resume_registration(
        &mut self,
        domain: &Domain,
        known: Result<(), ClientError>,
        at: &mut Moment<'_>,
    ) {
        let Some(account) = &self.unproven else { return };
        if account.identity.user.domain() != *domain {
            return;
        }
        match known.and_then(|()| self.take_account(at)) {
            Ok(()) => self.upload_key_packages(at),
            Err(error) => self.end_registration(Err(error)),
        }
    }

    /// Takes the account on if the certificate proves it (AMB-ID-1, AMB-ID-4).
    fn take_account(&mut self, at: &mut Moment<'_>) -> Result<(), ClientError> {
        let Some(mut account) = self.unproven.take() else { return Ok(()) };
        let credential = self.device.credential().ok_or_else(super::not_registered)?;
        let key = self.device.signature_key();
        let proven = identify(&credential, key, self.issuers.trusted(), at.now_ms);
        let identity =
            proven.map_err(|error| ClientError::Other(format!("the certificate: {error}")))?;
        let given = &account.identity;
        if identity.user != given.user || identity.client != given.client {
            let text = "the provider's certificate names another device".to_owned();
            return Err(ClientError::Other(text));
        }
        account.identity = identity;
        account.proven = true;
        self.effects.put(saved::ACCOUNT, &account);
        self.account = Some(account);
        Ok(())
    }

    /// Ends the registration under way, if there is one.
    pub(crate) fn end_registration(&mut self, result: Result<(), ClientError>) {
        if let Some(Registering { operation }) = self.registering.take() {
            self.effects.finish(Some(operation), result.map(|()| Outcome::Done));
        }
    }
}
