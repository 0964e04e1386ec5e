//! Who chats where: a small TOML file, or the same from the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mimi_policy::ClientIdentity;
use mimi_wire::MimiUri;
use serde::{Deserialize, Serialize};
use tombolo_client::transport::HttpsTransport;
use tombolo_client::{Client, ClientError, ProviderAddress, Registration};

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

    /// Opens the device, registering it first if it has not come through that yet. Says whether it
    /// is new.
    pub(crate) async fn open(&self) -> Result<(Client, Device), String> {
        if self.store.exists() {
            match Client::open(&self.store).await {
                Ok(client) => return Ok((client, Device::Known)),
                Err(ClientError::NotRegistered) => {}
                Err(error) => return Err(self.not_opened(&error)),
            }
        }
        let provider = self.address()?;
        // Before a password is asked for in vain.
        HttpsTransport::new(&provider).map_err(|error| format!("the provider: {error}"))?;
        let registration = Registration {
            provider,
            user: self.user.clone(),
            password: self.password_or_ask()?,
            device: self.device.clone(),
        };
        let client = Client::register(&self.store, registration).await;
        Ok((client.map_err(|error| self.not_registered(&error))?, Device::New))
    }

    /// Refuses a device that is somebody else's than asked for.
    pub(crate) fn check(&self, me: &ClientIdentity, device_given: bool) -> Result<(), String> {
        let segment = |uri: &MimiUri, at: usize| uri.segments().get(at).cloned();
        let (user, device) = (segment(&me.user, 0), segment(&me.client, 1));
        let domain = me.user.domain();
        let device_asked = device_given || self.device != default_device();
        let same = user.as_deref() == Some(self.user.as_str())
            && (!device_asked || device.as_deref() == Some(self.device.as_str()))
            && host(&self.provider).is_some_and(|host| is_of(host, domain.as_str()));
        if same {
            return Ok(());
        }
        Err(format!(
            "{} belongs to {}@{domain} (device {}), not to {} (device {}) at {}; \
             give another --store",
            self.store.display(),
            user.unwrap_or_default(),
            device.unwrap_or_default(),
            self.user,
            self.device,
            self.provider,
        ))
    }

    fn not_opened(&self, error: &ClientError) -> String {
        let store = self.store.display();
        match error {
            ClientError::Storage(why) if why.contains("in use by another process") => {
                format!("{store} is already open in another terminal; close that one first")
            }
            error => format!("the device in {store} cannot be opened: {error}"),
        }
    }

    fn not_registered(&self, error: &ClientError) -> String {
        let (user, device) = (&self.user, &self.device);
        match error {
            ClientError::Storage(_) => self.not_opened(error),
            ClientError::Refused(why) if why.contains("device of this name") => format!(
                "{user} cannot register the device {device}: {why}; \
                 give this one another name with --device NAME"
            ),
            ClientError::Unreachable(why) if why.contains("UnknownIssuer") => format!(
                "{} has a certificate that is not trusted here; if its root is to be trusted, \
                 give it with --roots FILE",
                self.provider
            ),
            error => format!("{user} cannot register the device {device}: {error}"),
        }
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

/// `b.example` of `https://b.example:8444`.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    rest.split(['/', ':']).next().filter(|host| !host.is_empty())
}

/// Whether a host is a provider's: its domain, or under it.
fn is_of(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

/// Whether a device has been here before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Device {
    New,
    Known,
}

#[cfg(test)]
mod tests {
    use mimi_policy::ClientIdentity;
    use mimi_wire::MimiUri;

    use super::Profile;

    #[test]
    fn the_file_of_somebody_else_is_refused() {
        let me = ClientIdentity {
            user: MimiUri::new("mimi://a.example/u/alice").unwrap(),
            client: MimiUri::new("mimi://a.example/d/alice/terminal").unwrap(),
            claims: Vec::new(),
        };
        let text = "provider = \"https://a.example:1\"\nuser = \"alice\"\nstore = \"alice.db\"\n";
        let alice: Profile = toml::from_str(text).unwrap();
        assert_eq!(alice.check(&me, true), Ok(()));
        let carol = Profile { user: "carol".to_owned(), ..alice.clone() };
        let refused = carol.check(&me, false).unwrap_err();
        assert!(refused.starts_with("alice.db belongs to alice@a.example (device terminal)"));
        let elsewhere = Profile { provider: "https://ba.example:1".to_owned(), ..alice.clone() };
        assert!(elsewhere.check(&me, false).is_err());
        assert!(Profile { device: "phone".to_owned(), ..alice }.check(&me, false).is_err());
    }

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
