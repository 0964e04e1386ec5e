//! RFC 9458 Appendix A, octet for octet, and what happens to everything else.

use hpke_rs_crypto::HpkeCrypto;
use hpke_rs_crypto::error::Error;
use hpke_rs_crypto::types::{AeadAlgorithm, KdfAlgorithm, KemAlgorithm};
use hpke_rs_rust_crypto::{HpkeRustCrypto, HpkeRustCryptoPrng};

use super::{GatewayKey, key_id, seal_request, seal_request_by};
use crate::key_config::{KEY_CONFIGS_OCTETS_MAX, KeyConfig, Suite};
use crate::{OhttpFault, SEALED_REQUEST_OCTETS_MAX, SEALED_RESPONSE_OCTETS_MAX};

const SECRET: &str = "3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a";
const KEY_CONFIG: &str = "01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e\
                          79815500080001000100010003";
const REQUEST: &str = "00034745540568747470730b6578616d706c652e636f6d012f";
const EPHEMERAL_SECRET: &str = "bc51d5e930bda26589890ac7032f70ad12e4ecb37abb1b65b1256c9c48999c73";
const SEALED_REQUEST: &str = "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad1\
                              9dec96c208b4726374e469135906992e1268c594d2a10c695d858c40a026e796\
                              5e7d86b83dd440b2c0185204b4d63525";
const RESPONSE: &str = "0140c8";
const RESPONSE_NONCE: &str = "c789e7151fcba46158ca84b04464910d";
const SEALED_RESPONSE: &str =
    "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd";

fn octets(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn key() -> GatewayKey {
    GatewayKey::new(1, &octets(SECRET).try_into().unwrap()).unwrap()
}

/// 32 octets of randomness that begin with a nonce.
fn randomness(nonce: &[u8]) -> [u8; 32] {
    let mut randomness = [0; 32];
    randomness[..nonce.len()].copy_from_slice(nonce);
    randomness
}

/// HPKE as it is, but for the ephemeral key, which is the one of the RFC's example: the library
/// derives it from randomness of its own, in one step that is told by its `info`.
#[derive(Debug)]
struct OfTheExample;

impl HpkeCrypto for OfTheExample {
    type HpkePrng = HpkeRustCryptoPrng;

    fn name() -> String {
        HpkeRustCrypto::name()
    }

    fn kdf_expand(
        alg: KdfAlgorithm,
        prk: &[u8],
        info: &[u8],
        size: usize,
    ) -> Result<Vec<u8>, Error> {
        // LabeledExpand(dkp_prk, "sk", "", 32) of RFC 9180 section 7.1.3.
        if info == b"\x00\x20HPKE-v1KEM\x00\x20sk" {
            return Ok(octets(EPHEMERAL_SECRET));
        }
        HpkeRustCrypto::kdf_expand(alg, prk, info, size)
    }

    fn supports_kdf(alg: KdfAlgorithm) -> Result<(), Error> {
        HpkeRustCrypto::supports_kdf(alg)
    }

    fn supports_kem(alg: KemAlgorithm) -> Result<(), Error> {
        HpkeRustCrypto::supports_kem(alg)
    }

    fn supports_aead(alg: AeadAlgorithm) -> Result<(), Error> {
        HpkeRustCrypto::supports_aead(alg)
    }

    fn prng() -> Self::HpkePrng {
        HpkeRustCrypto::prng()
    }

    fn kdf_extract(alg: KdfAlgorithm, salt: &[u8], ikm: &[u8]) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::kdf_extract(alg, salt, ikm)
    }

    fn dh(alg: KemAlgorithm, pk: &[u8], sk: &[u8]) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::dh(alg, pk, sk)
    }

    fn secret_to_public(alg: KemAlgorithm, sk: &[u8]) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::secret_to_public(alg, sk)
    }

    fn kem_key_gen(
        alg: KemAlgorithm,
        prng: &mut Self::HpkePrng,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        HpkeRustCrypto::kem_key_gen(alg, prng)
    }

    fn kem_key_gen_derand(alg: KemAlgorithm, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        HpkeRustCrypto::kem_key_gen_derand(alg, seed)
    }

    fn kem_encaps(
        alg: KemAlgorithm,
        pk_r: &[u8],
        prng: &mut Self::HpkePrng,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        HpkeRustCrypto::kem_encaps(alg, pk_r, prng)
    }

    fn kem_decaps(alg: KemAlgorithm, ct: &[u8], sk_r: &[u8]) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::kem_decaps(alg, ct, sk_r)
    }

    fn dh_validate_sk(alg: KemAlgorithm, sk: &[u8]) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::dh_validate_sk(alg, sk)
    }

    fn aead_seal(
        alg: AeadAlgorithm,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::aead_seal(alg, key, nonce, aad, msg)
    }

    fn aead_open(
        alg: AeadAlgorithm,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        msg: &[u8],
    ) -> Result<Vec<u8>, Error> {
        HpkeRustCrypto::aead_open(alg, key, nonce, aad, msg)
    }
}

/// RFC 9458 Appendix A: the key configuration.
#[test]
fn the_key_configuration_of_the_rfc() {
    let key = key();
    assert_eq!(hex::encode(key.config().encode()), KEY_CONFIG);
    let config = KeyConfig::decode(&octets(KEY_CONFIG)).unwrap();
    assert_eq!(config, *key.config());
    assert_eq!(config.suites, Suite::ALL);
    let published = KeyConfig::encode_all(std::slice::from_ref(&config));
    assert_eq!(published, [&[0, 45], octets(KEY_CONFIG).as_slice()].concat());
    assert_eq!(KeyConfig::choose(&published).unwrap(), config);
}

/// RFC 9458 Appendix A: the client's side, with the ephemeral key of the example (PROTO-DL-4).
#[test]
fn the_rfcs_request_is_sealed_and_its_response_opened() {
    let config = KeyConfig::decode(&octets(KEY_CONFIG)).unwrap();
    let (sealed, pending) = seal_request_by::<OfTheExample>(&config, &octets(REQUEST)).unwrap();
    assert_eq!(hex::encode(sealed), SEALED_REQUEST);
    let response = pending.open(&octets(SEALED_RESPONSE)).unwrap();
    assert_eq!(hex::encode(response), RESPONSE);
}

/// RFC 9458 Appendix A: the gateway's side, with the response nonce of the example (PROTO-DL-4).
#[test]
fn the_rfcs_request_is_opened_and_its_response_sealed() {
    let (request, sealer) = key().open_request(&octets(SEALED_REQUEST)).unwrap();
    assert_eq!(hex::encode(request), REQUEST);
    let sealed = sealer.seal(&octets(RESPONSE), &randomness(&octets(RESPONSE_NONCE))).unwrap();
    assert_eq!(hex::encode(sealed), SEALED_RESPONSE);
}

#[test]
fn both_suites_go_around() {
    for suite in Suite::ALL {
        let mut config = key().config().clone();
        config.suites = vec![suite];
        let (sealed, pending) = seal_request(&config, b"ask").unwrap();
        assert_eq!(key_id(&sealed), Some(1));
        let (request, sealer) = key().open_request(&sealed).unwrap();
        assert_eq!(request, b"ask");
        let sealed = sealer.seal(b"answer", &[3; 32]).unwrap();
        assert_eq!(pending.open(&sealed).unwrap(), b"answer");
    }
}

/// Two requests for the same differ in every octet that is not a header: nothing links them.
#[test]
fn requests_are_never_the_same() {
    let sealed = |()| seal_request(key().config(), b"ask").unwrap().0;
    let (one, other) = (sealed(()), sealed(()));
    assert_eq!((&one[..7], one.len()), (&other[..7], other.len()));
    assert_ne!(one[7..39], other[7..39]);
}

/// Whatever is altered, a response of another request included, is found out.
#[test]
fn what_is_altered_does_not_open() {
    let (sealed, pending) = seal_request(key().config(), b"ask").unwrap();
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert!(key().open_request(&altered).is_err(), "octet {at}");
    }
    for end in 0..sealed.len() {
        assert!(key().open_request(&sealed[..end]).is_err(), "the first {end} octets");
    }
    let response = key().open_request(&sealed).unwrap().1.seal(b"answer", &[3; 32]).unwrap();
    let (_, of_other) = seal_request(key().config(), b"ask").unwrap();
    assert_eq!(of_other.open(&response), Err(OhttpFault::NotSealed));
    assert_eq!(pending.open(&response).as_deref(), Ok(b"answer".as_slice()));
    let opens = |response: &[u8]| {
        let (sealed, pending) = seal_request(key().config(), b"ask").unwrap();
        drop(key().open_request(&sealed).unwrap());
        pending.open(response)
    };
    assert_eq!(opens(&response[..15]), Err(OhttpFault::Format("a sealed response")));
    assert_eq!(opens(&response[..31]), Err(OhttpFault::NotSealed));
}

#[test]
fn another_key_is_named_as_such() {
    let (sealed, _) = seal_request(key().config(), b"ask").unwrap();
    let other = GatewayKey::new(2, &[9; 32]).unwrap();
    assert_eq!(other.open_request(&sealed).unwrap_err(), OhttpFault::UnknownKey);
    let same_id = GatewayKey::new(1, &[9; 32]).unwrap();
    assert_eq!(same_id.open_request(&sealed).unwrap_err(), OhttpFault::NotSealed);
    // A key that is a point of small order makes no secret.
    let mut config = key().config().clone();
    config.public_key = [0; 32];
    assert_eq!(seal_request(&config, b"ask").unwrap_err(), OhttpFault::NotSealed);
}

#[test]
fn sizes_are_bounded() {
    // Header, key and tag.
    const AROUND: usize = 7 + 32 + 16;
    let config = key().config().clone();
    let most = vec![0; SEALED_REQUEST_OCTETS_MAX - AROUND];
    let (sealed, _) = seal_request(&config, &most).unwrap();
    assert_eq!(key().open_request(&sealed).unwrap().0, most);
    let more = [most, vec![0]].concat();
    assert_eq!(seal_request(&config, &more).unwrap_err(), OhttpFault::TooLarge);
    let longer = [sealed, vec![0]].concat();
    assert_eq!(key().open_request(&longer).unwrap_err(), OhttpFault::TooLarge);

    let (sealed, pending) = seal_request(&config, b"ask").unwrap();
    let sealer = |()| key().open_request(&sealed).unwrap().1;
    let most = vec![0; SEALED_RESPONSE_OCTETS_MAX - 32];
    let response = sealer(()).seal(&most, &[3; 32]).unwrap();
    assert_eq!(pending.open(&response).unwrap(), most);
    let more = [most, vec![0]].concat();
    assert_eq!(sealer(()).seal(&more, &[3; 32]).unwrap_err(), OhttpFault::TooLarge);
    let longer = [response, vec![0]].concat();
    let (_, pending) = seal_request(&config, b"ask").unwrap();
    assert_eq!(pending.open(&longer).unwrap_err(), OhttpFault::TooLarge);
}

/// RFC 9458 section 3.2: configurations for others are passed over, broken ones spoil the whole.
#[test]
fn key_configurations_of_all_kinds() {
    let ours = KeyConfig::encode_all(std::slice::from_ref(key().config()));
    let with_length =
        |config: &[u8]| [&u16::try_from(config.len()).unwrap().to_be_bytes(), config].concat();
    // P-256, of which this build knows not even the length.
    let other_kem =
        with_length(&[&[7, 0x00, 0x10], [4; 65].as_slice(), &[0, 4, 0, 1, 0, 1]].concat());
    // HKDF-SHA512 with AES-256-GCM.
    let mut other_suite = octets(KEY_CONFIG);
    other_suite.truncate(35);
    other_suite.extend([0, 4, 0, 3, 0, 2]);
    let other_suite = with_length(&other_suite);
    let published = [other_kem.as_slice(), &other_suite, &ours].concat();
    assert_eq!(KeyConfig::choose(&published).unwrap(), *key().config());
    for unusable in [&other_kem, &other_suite, &Vec::new()] {
        assert_eq!(KeyConfig::choose(unusable), Err(OhttpFault::UnknownSuite));
    }
    for end in 1..ours.len() {
        assert!(KeyConfig::choose(&ours[..end]).is_err(), "the first {end} octets");
    }
    let longer = [ours.as_slice(), &[0]].concat();
    assert_eq!(KeyConfig::choose(&longer), Err(OhttpFault::Format("key configurations")));
    // At the limit and one octet above it.
    let filler = KEY_CONFIGS_OCTETS_MAX - ours.len() - 2;
    let most =
        [ours.as_slice(), &with_length(&[&[7, 0, 0x10], vec![0; filler - 3].as_slice()].concat())]
            .concat();
    assert_eq!(most.len(), KEY_CONFIGS_OCTETS_MAX);
    assert_eq!(KeyConfig::choose(&most).unwrap(), *key().config());
    assert_eq!(KeyConfig::choose(&[most, vec![0]].concat()), Err(OhttpFault::TooLarge));
}
