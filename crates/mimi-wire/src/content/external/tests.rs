use super::{
    AES_256_GCM, Encryption, ExternalFault, SHA_256, SHA_384, SHA_512, TAG_OCTETS, Upload, seal,
    seal_owned,
};
use crate::content::{ExternalPart, MimiContent, Part};
use crate::fixtures::octets;

const ATTACHMENT: &[u8] = include_bytes!("../../../../../vectors/content/attachment.cbor");
const CONFERENCING: &[u8] = include_bytes!("../../../../../vectors/content/conferencing.cbor");
const NOW_S: u64 = 1_700_000_000;

fn upload() -> Upload<'static> {
    Upload { content_type: "image/png", url: "https://a.example/1", filename: "a.png" }
}

fn sealed() -> (ExternalPart, Vec<u8>) {
    let encryption = Encryption::Aes128Gcm { key: [7; 16], nonce: [9; 12] };
    seal(upload(), b"content", &encryption).unwrap()
}

fn example(octets: &[u8]) -> ExternalPart {
    let Part::External(part) = MimiContent::decode(octets).unwrap().body.part else {
        panic!("an external part")
    };
    *part
}

/// CONTENT-XP-2: test case 4 of the GCM specification, with additional data; the tag follows the
/// ciphertext (AMB-CNT-9).
#[test]
fn aes_128_gcm() {
    let served = octets!(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e",
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47"
    );
    let part = ExternalPart {
        key: octets!("feffe9928665731c6d6a8f9467308308"),
        nonce: octets!("cafebabefacedbaddecaf888"),
        aad: octets!("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        hash_alg: 0,
        content_hash: vec![],
        size: 0,
        ..sealed().0
    };
    let content = octets!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    );
    assert_eq!(part.open(&served, NOW_S), Ok(content));
    let without_aad = ExternalPart { aad: vec![], ..part };
    assert_eq!(without_aad.open(&served, NOW_S), Err(ExternalFault::Decryption));
}

/// The other AEAD: test case 16 of the same specification.
#[test]
fn aes_256_gcm() {
    let part = ExternalPart {
        enc_alg: AES_256_GCM,
        key: octets!("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
        nonce: octets!("cafebabefacedbaddecaf888"),
        aad: octets!("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        hash_alg: 0,
        content_hash: vec![],
        size: 0,
        ..sealed().0
    };
    let served = octets!(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"
    );
    assert_eq!(part.open(&served, NOW_S).map(|content| content.len()), Ok(60));
}

/// CONTENT-XP-1, CONTENT-XP-2, CONTENT-XP-3: sealed and opened; every change is noticed.
#[test]
fn what_is_sealed_is_opened_and_nothing_else_is() {
    let (part, served) = sealed();
    assert_eq!(part.open(&served, NOW_S), Ok(b"content".to_vec()));
    assert_eq!((part.size, part.expires), (served.len() as u64, 0));
    for at in 0..served.len() {
        let mut changed = served.clone();
        changed[at] ^= 1;
        assert_eq!(part.open(&changed, NOW_S), Err(ExternalFault::OtherContent));
        let unhashed = ExternalPart { hash_alg: 0, ..part.clone() };
        assert_eq!(unhashed.open(&changed, NOW_S), Err(ExternalFault::Decryption));
    }
    let size = ExternalFault::Size { promised: part.size, served: part.size - 1 };
    assert_eq!(part.open(&served[1..], NOW_S), Err(size));
    let (plain, served) = seal(upload(), b"content", &Encryption::None).unwrap();
    assert_eq!((served.as_slice(), plain.enc_alg), (b"content".as_slice(), 0));
    assert_eq!(plain.open(b"content", NOW_S), Ok(b"content".to_vec()));
    assert_eq!(plain.open(b"connect", NOW_S), Err(ExternalFault::OtherContent));
    assert!(plain.is_authenticated());
}

/// CONTENT-XP-3: each hash function, and none.
#[test]
fn hashes() {
    let part = |hash_alg, hash: &str| ExternalPart {
        hash_alg,
        content_hash: octets!(hash),
        ..seal(upload(), b"abc", &Encryption::None).unwrap().0
    };
    for (hash_alg, hash) in [
        (0, ""),
        (SHA_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            SHA_384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
             8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            SHA_512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        assert_eq!(part(hash_alg, hash).open(b"abc", NOW_S), Ok(b"abc".to_vec()));
        let cut = part(hash_alg, hash.get(2..).unwrap_or_default());
        assert_eq!(cut.open(b"abc", NOW_S).is_ok(), hash_alg == 0);
    }
    // A truncated hash is worth little; what nobody can verify is not used.
    for hash_alg in [2, 6, 9, 255] {
        let fault = ExternalFault::UnknownHash(hash_alg);
        assert_eq!(part(hash_alg, "ba7816bf").open(b"abc", NOW_S), Err(fault));
    }
    assert!(!part(0, "").is_authenticated());
}

/// CONTENT-XP-1, CONTENT-XP-2.
#[test]
fn what_is_not_fetched() {
    let (part, served) = sealed();
    let at = |expires, now_s| ExternalPart { expires, ..part.clone() }.check_before_fetching(now_s);
    assert_eq!(at(0, u64::MAX), Ok(()));
    assert_eq!(at(10, 9), Ok(()));
    assert_eq!(at(10, 10), Err(ExternalFault::Expired));
    for (url, fetched) in [
        ("http://a.example/", true),
        ("HTTPS://a.example/", true),
        ("ftp://a.example/", false),
        ("file:///etc/passwd", false),
        ("javascript:alert(1)", false),
        ("", false),
    ] {
        let part = ExternalPart { url: url.to_owned(), ..part.clone() };
        assert_eq!(part.check_before_fetching(NOW_S).is_ok(), fetched, "{url}");
        assert_eq!(part.open(&served, NOW_S).is_ok(), fetched, "{url}");
    }
    let bad = Upload { url: "/1", ..upload() };
    assert!(seal(bad, b"", &Encryption::None).is_err());
}

#[test]
fn keys_and_algorithms() {
    let (part, served) = sealed();
    let with = |enc_alg, key: usize, nonce: usize| {
        let (key, nonce) = (vec![7; key], vec![9; nonce]);
        ExternalPart { enc_alg, key, nonce, ..part.clone() }.open(&served, NOW_S)
    };
    assert!(with(1, 16, 12).is_ok());
    for (key, nonce) in [(15, 12), (17, 12), (16, 11), (16, 13), (0, 0)] {
        assert_eq!(with(1, key, nonce), Err(ExternalFault::KeyLength));
    }
    assert_eq!(with(2, 16, 12), Err(ExternalFault::KeyLength));
    assert_eq!(with(29, 32, 12), Err(ExternalFault::UnknownAead(29)));
}

/// CONTENT-XP-1: the draft's examples, whose octets nobody has.
#[test]
fn the_drafts_examples() {
    let attachment = example(ATTACHMENT);
    assert_eq!(attachment.check_before_fetching(NOW_S), Ok(()));
    let size = ExternalFault::Size { promised: 708_234_961, served: 1 };
    assert_eq!(attachment.open(&[0], NOW_S), Err(size));
    let unsized_part = ExternalPart { size: 0, ..attachment.clone() };
    assert_eq!(unsized_part.open(&[0], NOW_S), Err(ExternalFault::OtherContent));
    let unhashed = ExternalPart { hash_alg: 0, ..unsized_part };
    assert_eq!(unhashed.open(&[0; 17], NOW_S), Err(ExternalFault::Decryption));
    assert_eq!(attachment.safe_filename().as_deref(), Some("bigfile.mp4"));
    let conference = example(CONFERENCING);
    assert_eq!(conference.check_before_fetching(NOW_S), Ok(()));
    assert!(!conference.is_authenticated());
    assert_eq!(conference.safe_filename(), None);
}

/// A large content is in memory once, while it is encrypted and while it is decrypted, and nothing of it
/// comes out unless all of it is right.
#[test]
fn a_content_is_in_memory_once() {
    const CONTENT_OCTETS: usize = 4 * 1024 * 1024;
    const BESIDE: u64 = 4 * 1024;
    let mut content = Vec::with_capacity(CONTENT_OCTETS + TAG_OCTETS);
    content.resize(CONTENT_OCTETS, 7);
    let encryption = Encryption::Aes128Gcm { key: [7; 16], nonce: [9; 12] };
    let mut made = None;
    let sealing = || made = Some(seal_owned(upload(), content, &encryption).unwrap());
    let memory = allocation_counter::measure(sealing).bytes_max;
    assert!(memory <= BESIDE, "sealing took {memory} octets more");
    let (part, octets) = made.unwrap();
    assert_eq!(octets.len(), CONTENT_OCTETS + TAG_OCTETS);
    assert_eq!(
        seal(upload(), &[7; CONTENT_OCTETS], &encryption).unwrap(),
        (part.clone(), octets.clone())
    );
    let mut altered = octets.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut opened = None;
    let memory = allocation_counter::measure(|| opened = Some(part.open_owned(octets, NOW_S)));
    assert!(memory.bytes_max <= BESIDE, "opening took {} octets more", memory.bytes_max);
    assert!(opened.unwrap().unwrap() == [7; CONTENT_OCTETS]);
    let unhashed = ExternalPart { hash_alg: 0, ..part };
    assert_eq!(unhashed.open_owned(altered, NOW_S), Err(ExternalFault::Decryption));
}

#[test]
fn file_names_stay_in_their_folder() {
    let name = |filename: &str| {
        ExternalPart { filename: filename.to_owned(), ..sealed().0 }.safe_filename()
    };
    for (suggested, safe) in [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.exe", "a.exe"),
        (".bashrc", "bashrc"),
        ("photo\u{202e}gnp.exe", "photognp.exe"),
        ("a\nb\u{1b}[31m", "ab[31m"),
        (" Grüße.txt ", "Grüße.txt"),
    ] {
        assert_eq!(name(suggested).as_deref(), Some(safe));
    }
    for nothing in ["", "/", "..", "a/..", "\u{200b}"] {
        assert_eq!(name(nothing), None, "{nothing:?}");
    }
}
