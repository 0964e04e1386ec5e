//! Who is who: contact with other people, finding them, the own devices and profile.

use mimi_wire::protocol::identifier_query::QueryElement;
use mimi_wire::{Domain, MimiUri};

use super::{Client, unexpected};
use crate::contacts::{ContactWord, Contacts};
use crate::error::ClientError;
use crate::profile::{FoundUser, Profile};
use crate::secret::SecretText;
use crate::session::command::{Command, Outcome};
use crate::shown::DeviceEntry;

impl Client {
    /// Asks a user for consent to be contacted, in any room.
    pub async fn request_consent(&self, target: &MimiUri) -> Result<(), ClientError> {
        self.say_contact(ContactWord::Ask, target, None).await
    }

    /// Takes the request back.
    pub async fn cancel_consent_request(&self, target: &MimiUri) -> Result<(), ClientError> {
        self.say_contact(ContactWord::TakeBack, target, None).await
    }

    /// Lets a user contact us, for any room.
    pub async fn grant_consent(&self, requester: &MimiUri) -> Result<(), ClientError> {
        self.say_contact(ContactWord::Accept, requester, None).await
    }

    /// No longer lets a user contact us, or turns one away who has not asked yet.
    pub async fn revoke_consent(&self, requester: &MimiUri) -> Result<(), ClientError> {
        self.say_contact(ContactWord::TurnAway, requester, None).await
    }

    /// Says something about contact with a user, for one room or any.
    pub async fn say_contact(
        &self,
        word: ContactWord,
        user: &MimiUri,
        room: Option<&MimiUri>,
    ) -> Result<(), ClientError> {
        let (user, room) = (user.clone(), room.cloned());
        self.operate(Command::SayContact { word, user, room }).await.map(drop)
    }

    /// Who asks for our consent, whom we have asked, whom we let in and whom we turned away.
    pub async fn contacts(&self) -> Result<Contacts, ClientError> {
        match self.operate(Command::Contacts).await? {
            Outcome::Contacts(contacts) => Ok(*contacts),
            other => Err(unexpected(&other)),
        }
    }

    /// The devices of the user, in the order in which they came.
    pub async fn devices(&self) -> Result<Vec<DeviceEntry>, ClientError> {
        match self.operate(Command::Devices).await? {
            Outcome::Devices(devices) => Ok(devices),
            other => Err(unexpected(&other)),
        }
    }

    /// Signs a device of the user out, which may be this one.
    pub async fn sign_out(&self, client: &MimiUri) -> Result<(), ClientError> {
        self.operate(Command::SignOut(client.clone())).await.map(drop)
    }

    /// Signs all other devices of the user out.
    pub async fn sign_out_others(&self) -> Result<(), ClientError> {
        self.operate(Command::SignOutOthers).await.map(drop)
    }

    /// Deletes the account of this device's user, for good, by its password.
    ///
    /// A wrong password is refused before anything happens. Then this device leaves the rooms at other
    /// hubs for all devices of the user, because afterwards nobody can (AMB-ST-3), and waits until the
    /// hubs have accepted that, at most
    /// [`LEAVING_MAX_MS`](crate::session::delete_account::LEAVING_MAX_MS). Then the provider deletes the
    /// account and sees to its own rooms; what this device has stored is emptied, and it stops.
    ///
    /// Returns the rooms at other hubs in which that did not come through, e.g. because the hub could not
    /// be reached: there the user stays listed. Of rooms that only other devices of the user are in this
    /// device knows nothing.
    ///
    /// After an error the account still exists, as far as can be known, but rooms may have been left. What
    /// is under way when the device stops is not taken up again.
    pub async fn delete_account(&self, password: &str) -> Result<Vec<MimiUri>, ClientError> {
        let password = SecretText::new(password.to_owned());
        match self.operate(Command::DeleteAccount(password)).await? {
            Outcome::AccountDeleted { still_in } => Ok(still_in),
            other => Err(unexpected(&other)),
        }
    }

    /// Users of a provider of whom all elements hold, as far as they let themselves be found.
    ///
    /// Nobody found is an empty list; [`ClientError::Refused`] says why a query is not answered.
    pub async fn find(
        &self,
        domain: &Domain,
        elements: Vec<QueryElement>,
    ) -> Result<Vec<FoundUser>, ClientError> {
        match self.operate(Command::Find { domain: domain.clone(), elements }).await? {
            Outcome::Found(users) => Ok(users),
            other => Err(unexpected(&other)),
        }
    }

    /// What our user lets others know and find of itself.
    pub async fn profile(&self) -> Result<Profile, ClientError> {
        match self.operate(Command::Profile).await? {
            Outcome::Profile(profile) => Ok(profile),
            other => Err(unexpected(&other)),
        }
    }

    /// Replaces it.
    pub async fn set_profile(&self, profile: Profile) -> Result<(), ClientError> {
        self.operate(Command::SetProfile(profile)).await.map(drop)
    }
}
