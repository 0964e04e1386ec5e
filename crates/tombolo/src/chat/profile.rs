//! Who chats where: a small TOML file, or the same from the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};
use tombolo_client::{Client, ProviderAddress, Registration};

/// Everything needed to chat as somebody.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The provider's client API, e.g. `https://b.example:8444`.
    pub(crate) provider: String,
    /// Connect here instead of where DNS says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<SocketAddr>,
    /// PEM file of the roots to trust; public ones when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roots: Option<PathBuf>,
    /// The account, e.g. `bob`.
    pub(crate) user: String,
    /// Its password; asked for when absent. Only used to register this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    /// This device's name.
    #[serde(default = "default_device")]
    pub(crate) device: String,
    /// This device's file; made at the first start.
    pub(crate) store: PathBuf,
    /// The room to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<MimiUri>,
}

/// Name of a device nobody named.
pub(crate) fn default_device() -> String {
    "terminal".to_owned()
}

impl Profile {
    /// Reads a profile; paths in it are relative to it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let mut profile: Self = toml::from_str(&text)
            .map_err(|error| format!("{} is no chat profile: {error}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        profile.store = folder.join(&profile.store);
        profile.roots = profile.roots.map(|roots| folder.join(roots));
        Ok(profile)
    }

    /// Opens the device, registering it first if it has no file yet. Says whether it is new.
    pub(crate) async fn open(&self) -> Result<(Client, Device), String> {
        if self.store.exists() {
            let client = Client::open(&self.store).await;
            let client = client.map_err(|error| {
                format!("the device in {} cannot be opened: {error}", self.store.display())
            })?;
            return Ok((client, Device::Known));
        }
        let registration = Registration {
            provider: self.address()?,
            user: self.user.clone(),
            password: self.password_or_ask()?,
            device: self.device.clone(),
        };
        let client = Client::register(&self.store, registration).await;
        let client = client.map_err(|error| {
            format!("{} cannot register the device {}: {error}", self.user, self.device)
        })?;
        Ok((client, Device::New))
    }

    fn address(&self) -> Result<ProviderAddress, String> {
        let roots_pem = match &self.roots {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
            ),
        };
        Ok(ProviderAddress { url: self.provider.clone(), resolve: self.connect, roots_pem })
    }

    fn password_or_ask(&self) -> Result<String, String> {
        if let Some(password) = &self.password {
            return Ok(password.clone());
        }
        if let Ok(password) = std::env::var("TOMBOLO_PASSWORD") {
            return Ok(password);
        }
        rpassword::prompt_password(format!("Password of {}: ", self.user))
            .map_err(|error| format!("no password: {error}; set TOMBOLO_PASSWORD or type it"))
    }
}

/// Whether a device has been here before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Device {
    New,
    Known,
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn a_profile_is_relative_to_its_file_and_refuses_what_it_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bob.toml");
        let text = "provider = \"https://b.example:8444\"\nuser = \"bob\"\nstore = \"bob.db\"\n";
        std::fs::write(&file, text).unwrap();
        let profile = Profile::read(&file).unwrap();
        assert_eq!(profile.store, folder.path().join("bob.db"));
        assert_eq!((profile.device.as_str(), profile.connect), ("terminal", None));
        std::fs::write(&file, format!("{text}pasword = \"x\"\n")).unwrap();
        assert!(Profile::read(&file).unwrap_err().contains("pasword"));
    }
}
