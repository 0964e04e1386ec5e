//! Encapsulation of requests and responses (RFC 9458 section 4).

use std::fmt;

use hpke_rs::{Context, Hpke, HpkePrivateKey, HpkePublicKey, Mode};
use hpke_rs_crypto::HpkeCrypto;
use hpke_rs_rust_crypto::HpkeRustCrypto;
use zeroize::Zeroizing;

use crate::key_config::{HEADER_OCTETS, KDF, KEM, KeyConfig, PUBLIC_KEY_OCTETS, Suite};
use crate::{OhttpFault, SEALED_REQUEST_OCTETS_MAX, SEALED_RESPONSE_OCTETS_MAX};

const REQUEST_LABEL: &[u8] = b"message/bhttp request";
const RESPONSE_LABEL: &[u8] = b"message/bhttp response";
const AEAD_NONCE_OCTETS: usize = 12;

/// Which of a gateway's keys a request is sealed to.
pub fn key_id(sealed: &[u8]) -> Option<u8> {
    sealed.first().copied()
}

/// Seals a request to a gateway's key. Gives what to send, and what opens the response.
///
/// # Errors
/// [`OhttpFault::TooLarge`] beyond [`SEALED_REQUEST_OCTETS_MAX`]; [`OhttpFault::NotSealed`] if the
/// configuration's key is none.
pub fn seal_request(
    config: &KeyConfig,
    request: &[u8],
) -> Result<(Vec<u8>, PendingResponse), OhttpFault> {
    seal_request_by::<HpkeRustCrypto>(config, request)
}

pub(crate) fn seal_request_by<C: HpkeCrypto + 'static>(
    config: &KeyConfig,
    request: &[u8],
) -> Result<(Vec<u8>, PendingResponse), OhttpFault> {
    let preferred = Suite::ALL.into_iter().find(|suite| config.suites.contains(suite));
    let suite = preferred.ok_or(OhttpFault::UnknownSuite)?;
    let header = suite.header(config.key_id);
    let receiver = HpkePublicKey::new(config.public_key.to_vec());
    let sender = hpke::<C>(suite).setup_sender(&receiver, &info(header), None, None, None);
    let (encapsulated, mut context) = sender.map_err(|_| OhttpFault::NotSealed)?;
    let ciphertext = context.seal(&[], request).map_err(|_| OhttpFault::NotSealed)?;
    let sealed = [header.as_slice(), &encapsulated, &ciphertext].concat();
    if sealed.len() > SEALED_REQUEST_OCTETS_MAX {
        return Err(OhttpFault::TooLarge);
    }
    let encapsulated = encapsulated.try_into().map_err(|_| OhttpFault::NotSealed)?;
    Ok((sealed, PendingResponse(Exchange::new(suite, encapsulated, &context)?)))
}

/// A key of a gateway.
pub struct GatewayKey {
    config: KeyConfig,
    secret: HpkePrivateKey,
}

impl GatewayKey {
    /// From its secret: 32 octets of randomness.
    ///
    /// # Errors
    /// [`OhttpFault::NotSealed`], which no 32 octets lead to.
    pub fn new(key_id: u8, secret: &[u8; 32]) -> Result<Self, OhttpFault> {
        let public_key = HpkeRustCrypto::secret_to_public(KEM, secret);
        let public_key = public_key.ok().and_then(|key| key.try_into().ok());
        let public_key = public_key.ok_or(OhttpFault::NotSealed)?;
        let config = KeyConfig { key_id, public_key, suites: Suite::ALL.to_vec() };
        Ok(Self { config, secret: HpkePrivateKey::new(secret.to_vec()) })
    }

    /// What to publish of it.
    pub fn config(&self) -> &KeyConfig {
        &self.config
    }

    /// Opens a request. Gives what was asked, and what seals the response.
    ///
    /// # Errors
    /// [`OhttpFault`] says what the request's sender got wrong.
    pub fn open_request(&self, sealed: &[u8]) -> Result<(Vec<u8>, ResponseSealer), OhttpFault> {
        if sealed.len() > SEALED_REQUEST_OCTETS_MAX {
            return Err(OhttpFault::TooLarge);
        }
        let fault = OhttpFault::Format("a sealed request");
        let (&header, rest): (&[u8; HEADER_OCTETS], _) = sealed.split_first_chunk().ok_or(fault)?;
        if header[0] != self.config.key_id {
            return Err(OhttpFault::UnknownKey);
        }
        let suite = Suite::of_header(header).ok_or(OhttpFault::UnknownSuite)?;
        let (encapsulated, ciphertext): (&[u8; PUBLIC_KEY_OCTETS], _) =
            rest.split_first_chunk().ok_or(fault)?;
        let hpke = hpke::<HpkeRustCrypto>(suite);
        let context =
            hpke.setup_receiver(encapsulated, &self.secret, &info(header), None, None, None);
        let mut context = context.map_err(|_| OhttpFault::NotSealed)?;
        let request = context.open(&[], ciphertext).map_err(|_| OhttpFault::NotSealed)?;
        Ok((request, ResponseSealer(Exchange::new(suite, *encapsulated, &context)?)))
    }
}

impl fmt::Debug for GatewayKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GatewayKey").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What both ends of one exchange share.
struct Exchange {
    suite: Suite,
    encapsulated: [u8; PUBLIC_KEY_OCTETS],
    secret: Zeroizing<Vec<u8>>,
}

/// Seals the response to one request.
pub struct ResponseSealer(Exchange);

/// Opens the response to one request.
pub struct PendingResponse(Exchange);

impl ResponseSealer {
    /// Seals a response; `randomness` is fresh.
    ///
    /// # Errors
    /// [`OhttpFault::TooLarge`] beyond [`SEALED_RESPONSE_OCTETS_MAX`].
    pub fn seal(self, response: &[u8], randomness: &[u8; 32]) -> Result<Vec<u8>, OhttpFault> {
        let nonce = &randomness[..self.0.nonce_octets()];
        let (key, aead_nonce) = self.0.response_key(nonce)?;
        let aead = self.0.suite.aead();
        let ciphertext = HpkeRustCrypto::aead_seal(aead, &key, &aead_nonce, &[], response);
        let ciphertext = ciphertext.map_err(|_| OhttpFault::NotSealed)?;
        let sealed = [nonce, &ciphertext].concat();
        match sealed.len() > SEALED_RESPONSE_OCTETS_MAX {
            true => Err(OhttpFault::TooLarge),
            false => Ok(sealed),
        }
    }
}

impl PendingResponse {
    /// Opens the response.
    ///
    /// # Errors
    /// [`OhttpFault`] if it is none, or was not sealed for this request.
    pub fn open(self, sealed: &[u8]) -> Result<Vec<u8>, OhttpFault> {
        if sealed.len() > SEALED_RESPONSE_OCTETS_MAX {
            return Err(OhttpFault::TooLarge);
        }
        let parts = sealed.split_at_checked(self.0.nonce_octets());
        let (nonce, ciphertext) = parts.ok_or(OhttpFault::Format("a sealed response"))?;
        let (key, aead_nonce) = self.0.response_key(nonce)?;
        let aead = self.0.suite.aead();
        let opened = HpkeRustCrypto::aead_open(aead, &key, &aead_nonce, &[], ciphertext);
        opened.map_err(|_| OhttpFault::NotSealed)
    }
}

impl Exchange {
    fn new<C: HpkeCrypto>(
        suite: Suite,
        encapsulated: [u8; PUBLIC_KEY_OCTETS],
        context: &Context<C>,
    ) -> Result<Self, OhttpFault> {
        let mut exchange = Self { suite, encapsulated, secret: Zeroizing::default() };
        let secret = context.export(RESPONSE_LABEL, exchange.nonce_octets());
        exchange.secret = Zeroizing::new(secret.map_err(|_| OhttpFault::NotSealed)?);
        Ok(exchange)
    }

    /// max(Nn, Nk).
    fn nonce_octets(&self) -> usize {
        HpkeRustCrypto::aead_key_length(self.suite.aead()).max(AEAD_NONCE_OCTETS)
    }

    fn response_key(&self, nonce: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), OhttpFault> {
        let fault = |_| OhttpFault::NotSealed;
        let salt = [self.encapsulated.as_slice(), nonce].concat();
        let prk = HpkeRustCrypto::kdf_extract(KDF, &salt, &self.secret).map_err(fault)?;
        let prk = Zeroizing::new(prk);
        let key_octets = HpkeRustCrypto::aead_key_length(self.suite.aead());
        let key = HpkeRustCrypto::kdf_expand(KDF, &prk, b"key", key_octets).map_err(fault)?;
        let nonce = HpkeRustCrypto::kdf_expand(KDF, &prk, b"nonce", AEAD_NONCE_OCTETS);
        Ok((Zeroizing::new(key), nonce.map_err(fault)?))
    }
}

/// Nothing of an exchange is for a log.
macro_rules! redacted {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

redacted!(ResponseSealer PendingResponse);

fn hpke<C: HpkeCrypto + 'static>(suite: Suite) -> Hpke<C> {
    Hpke::new(Mode::Base, KEM, KDF, suite.aead())
}

fn info(header: [u8; HEADER_OCTETS]) -> Vec<u8> {
    [REQUEST_LABEL, &[0], &header].concat()
}

#[cfg(test)]
mod tests;
