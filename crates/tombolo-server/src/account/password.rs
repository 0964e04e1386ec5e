//! Passwords, kept as argon2id hashes. Hashing takes long and much memory on purpose, so it runs
//! beside the runtime's threads and only a few at a time.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use mimi_provider::Reject;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::surroundings::Toil;

#[cfg(test)]
mod tests;

/// Octets a password must have.
pub(crate) const PASSWORD_OCTETS_MIN: usize = 8;
/// Octets a password may have.
pub(crate) const PASSWORD_OCTETS_MAX: usize = 1_024;
/// Octets of a salt (RFC 9106 section 3.1).
const SALT_OCTETS: usize = 16;
/// Characters of a generated password: about 99 bits.
const GENERATED_CHARS: usize = 20;
/// Verified where there is no account, so that its absence takes as long as a wrong password: a hash
/// of nothing with the parameters of ours. Written here rather than made at the start, where making it
/// would take 19 MiB and a while.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Characters that are not mistaken for one another.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// A password in the clear; wiped when dropped, never shown by accident.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password from wherever it was typed.
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    /// The password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reveal())
    }
}

/// Hashes and verifies, a few at a time.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    toil: Toil,
}

/// Whether a password is the one of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is.
    Right,
    /// It is not, or there is no such account.
    Wrong,
}

impl Passwords {
    /// One at a time per processor: more would only take memory.
    pub(crate) fn new(toil: Toil) -> Self {
        let slots = available_parallelism().map_or(1, usize::from);
        Self { slots: Arc::new(Semaphore::new(slots)), toil }
    }

    /// The PHC string of a new password of acceptable length.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Reject> {
        let length = password.reveal().len();
        if !(PASSWORD_OCTETS_MIN..=PASSWORD_OCTETS_MAX).contains(&length) {
            return Err(Reject::Malformed(format!(
                "a password has {PASSWORD_OCTETS_MIN} to {PASSWORD_OCTETS_MAX} octets, not {length}"
            )));
        }
        self.run(move || {
            let octets: [u8; SALT_OCTETS] = rand::random();
            let salt = SaltString::encode_b64(&octets).map_err(|error| error.to_string())?;
            let hash = Argon2::default().hash_password(password.reveal().as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
        })
        .await
    }

    /// Whether the password is the one of a PHC string; `None` where there is no account or none
    /// with a password.
    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: Option<&str>,
    ) -> Result<Verdict, Reject> {
        let known = hash.is_some();
        if password.reveal().len() > PASSWORD_OCTETS_MAX {
            return Ok(Verdict::Wrong);
        }
        let hash = hash.unwrap_or(DECOY).to_owned();
        let right = self
            .run(move || {
                let hash = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
                Ok(Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(if right && known { Verdict::Right } else { Verdict::Wrong })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, Reject> {
        let slots = Arc::clone(&self.slots);
        let slot = slots.acquire_owned().await.expect("the semaphore is never closed");
        let done = self.toil.run(move || {
            // Held until the work is done, even when nobody waits for it any more.
            let _slot = slot;
            work()
        });
        let outcome = done.await.unwrap_or_else(|error| Err(error.to_string()));
        outcome.map_err(|error| Reject::Internal(format!("password hashing failed: {error}")))
    }
}

/// A password nobody has to think of, in groups that can be read aloud.
pub(crate) fn generate() -> Password {
    let mut password = Zeroizing::new(String::with_capacity(GENERATED_CHARS * 2));
    for position in 0..GENERATED_CHARS {
        if position > 0 && position % 5 == 0 {
            password.push('-');
        }
        let choice = rand::random_range(0..ALPHABET.len());
        password.push(char::from(ALPHABET[choice]));
    }
    Password(password)
}
