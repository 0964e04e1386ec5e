use super::{
    ClientKeyMaterial, ClientMaterial, KeyMaterialRequest, KeyMaterialRequestTbs,
    KeyMaterialResponse, KeyMaterialUserCode, KeyPackageList,
};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text, vector};
use crate::limits::{
    APPLICATION_BODY_OCTETS_MAX, GRANT_KEY_PACKAGES_MAX, KEY_MATERIAL_CLIENTS_MAX, KEY_OCTETS_MAX,
    LIST_ELEMENTS_MAX,
};
use crate::uri::MimiUri;

const ALICE: &str = "mimi://a.example/u/alice";
const BOB: &str = "mimi://b.example/u/bob";
const ROOM: &str = "mimi://a.example/r/clubhouse";
const PHONE: &str = "mimi://b.example/d/bob/phone";

fn uri(uri: &str) -> MimiUri {
    MimiUri::new(uri).unwrap()
}

fn tbs(room_id: Option<&str>) -> KeyMaterialRequestTbs {
    KeyMaterialRequestTbs {
        requesting_user: uri(ALICE),
        target_user: uri(BOB),
        room_id: room_id.map(uri),
        acceptable_ciphersuites: vec![1, 2],
        required_capabilities: fixtures().required_capabilities.clone(),
        requester_signature_key: vec![0x55; 32],
        requester_credential: fixtures().credential.clone(),
    }
}

fn tbs_octets(room: &[u8], ciphersuites: &str) -> Vec<u8> {
    octets!(
        "01",
        text(ALICE),
        text(BOB),
        vector(room),
        ciphersuites,
        fixtures().required_capabilities.octets(),
        vector(&[0x55; 32]),
        fixtures().credential.octets(),
    )
}

/// PROTO-KM-3, PROTO-KM-5, AMB-KM-2: the signature follows what it signs.
#[test]
fn requests() {
    for (room, octets) in [(Some(ROOM), ROOM.as_bytes()), (None, b"".as_slice())] {
        let signed = tbs_octets(octets, "04 0001 0002");
        assert_octets(&tbs(room), &signed);
        let request = KeyMaterialRequest { tbs: tbs(room), signature: vec![0xaa, 0xbb] };
        assert_octets(&request, &octets!(signed, "02 aabb"));
    }
}

/// The example credential and capabilities, spelt out.
#[test]
fn mls_objects_of_a_request() {
    let credential = octets!("0001", text("mimi://a.example/d/alice/phone"));
    assert_eq!(fixtures().credential.octets(), credential);
    let required = octets!("02 0006 04 0008 000a 02 0002");
    assert_eq!(fixtures().required_capabilities.octets(), required);
}

/// PROTO-KM-4, WIRE-4.
#[test]
fn requests_that_are_refused() {
    let octets = |suites| octets!(tbs_octets(ROOM.as_bytes(), suites), "00");
    assert!(KeyMaterialRequest::decode(&octets("02 0001")).is_ok());
    let fault = KeyMaterialRequest::decode(&octets("00")).unwrap_err();
    assert_eq!(fault.field, "KeyMaterialRequest.acceptableCiphersuites");
    assert!(KeyMaterialRequest::decode(&octets("01 00")).is_err());
    assert!(KeyMaterialRequest::decode(&octets("03 0001 00")).is_err());
    let fault = KeyMaterialRequest::decode(&octets!("01 00")).unwrap_err();
    assert_eq!((fault.field, fault.offset), ("KeyMaterialRequest.requestingUser", 1));
}

#[test]
fn requests_at_the_limits_and_beyond() {
    let decodes = |change: fn(&mut KeyMaterialRequestTbs)| {
        let mut tbs = tbs(Some(ROOM));
        change(&mut tbs);
        KeyMaterialRequest::decode(&KeyMaterialRequest { tbs, signature: vec![] }.encode()).is_ok()
    };
    assert!(decodes(|tbs| tbs.acceptable_ciphersuites = vec![1; LIST_ELEMENTS_MAX]));
    assert!(!decodes(|tbs| tbs.acceptable_ciphersuites = vec![1; LIST_ELEMENTS_MAX + 1]));
    assert!(decodes(|tbs| tbs.requester_signature_key = vec![1; KEY_OCTETS_MAX]));
    assert!(!decodes(|tbs| tbs.requester_signature_key = vec![1; KEY_OCTETS_MAX + 1]));
    let fault = KeyMaterialRequest::decode(&vec![1; APPLICATION_BODY_OCTETS_MAX + 1]);
    assert_eq!(fault.unwrap_err().field, "body");
}

/// WIRE-4, AMB-KM-6.
#[test]
fn another_protocol_gets_an_answer() {
    let other = octets!("02", text(ALICE), text(BOB), "00 beef");
    assert!(KeyMaterialRequest::decode(&other).is_err());
    let answer = KeyMaterialRequest::incompatible_protocol(&other).unwrap();
    assert_octets(&answer, &octets!("01 02", text(BOB), "00"));
    let ours = octets!("01", text(ALICE), text(BOB), "00 beef");
    assert_eq!(KeyMaterialRequest::incompatible_protocol(&ours), None);
    assert_eq!(KeyMaterialRequest::incompatible_protocol(&octets!("02 00")), None);
    assert_eq!(KeyMaterialRequest::incompatible_protocol(&[]), None);
}

fn client(material: ClientMaterial) -> ClientKeyMaterial {
    ClientKeyMaterial { client_uri: uri(PHONE), material }
}

/// PROTO-KM-15, AMB-KM-4.
#[test]
fn clients() {
    let fixtures = fixtures();
    let key_package = ClientMaterial::KeyPackage(fixtures.key_package.clone());
    let octets = octets!("00", text(PHONE), fixtures.key_package.octets());
    assert_octets(&client(key_package), &octets);
    assert_octets(&client(ClientMaterial::Exhausted), &octets!("01", text(PHONE)));
    let withheld = ClientMaterial::NothingCompatible(None);
    assert_octets(&client(withheld), &octets!("02", text(PHONE), "00"));
    let told = ClientMaterial::NothingCompatible(Some(fixtures.capabilities.clone()));
    let octets = octets!("02", text(PHONE), "01", fixtures.capabilities.octets());
    assert_octets(&client(told), &octets);
    assert!(ClientKeyMaterial::decode(&octets!("03", text(PHONE))).is_err());
    assert!(ClientKeyMaterial::decode(&octets!("02", text(PHONE), "02")).is_err());
}

fn response(
    user_status: KeyMaterialUserCode,
    clients: Vec<ClientKeyMaterial>,
) -> KeyMaterialResponse {
    KeyMaterialResponse { user_status, user_uri: uri(BOB), clients }
}

/// PROTO-KM-7, PROTO-KM-8.
#[test]
fn responses() {
    let codes = [
        (KeyMaterialUserCode::Success, "00", true),
        (KeyMaterialUserCode::PartialSuccess, "01", true),
        (KeyMaterialUserCode::IncompatibleProtocol, "02", false),
        (KeyMaterialUserCode::NoCompatibleMaterial, "03", true),
        (KeyMaterialUserCode::UserUnknown, "04", false),
        (KeyMaterialUserCode::NoConsent, "05", false),
        (KeyMaterialUserCode::NoConsentForThisRoom, "06", false),
        (KeyMaterialUserCode::UserDeleted, "07", false),
    ];
    for (code, octet, may_list_clients) in codes {
        assert_eq!(code.may_list_clients(), may_list_clients);
        assert_octets(&response(code, vec![]), &octets!("01", octet, text(BOB), "00"));
        let with_client = response(code, vec![client(ClientMaterial::Exhausted)]);
        let octets = octets!("01", octet, text(BOB), vector(&octets!("01", text(PHONE))));
        if may_list_clients {
            assert_octets(&with_client, &octets);
        } else {
            let fault = KeyMaterialResponse::decode(&octets).unwrap_err();
            assert_eq!(fault.field, "KeyMaterialResponse.clients");
        }
    }
    assert!(KeyMaterialResponse::decode(&octets!("01 08", text(BOB), "00")).is_err());
}

#[test]
fn lists_at_the_limits_and_beyond() {
    let with = |count| {
        let clients = vec![client(ClientMaterial::Exhausted); count];
        response(KeyMaterialUserCode::Success, clients).encode()
    };
    assert!(KeyMaterialResponse::decode(&with(KEY_MATERIAL_CLIENTS_MAX)).is_ok());
    assert!(KeyMaterialResponse::decode(&with(KEY_MATERIAL_CLIENTS_MAX + 1)).is_err());
    let packages = |count| KeyPackageList(vec![fixtures().key_package.clone(); count]).encode();
    assert!(KeyPackageList::decode(&packages(GRANT_KEY_PACKAGES_MAX)).is_ok());
    assert!(KeyPackageList::decode(&packages(GRANT_KEY_PACKAGES_MAX + 1)).is_err());
}

/// PROTO-ST-9.
#[test]
fn key_package_lists() {
    assert_octets(&KeyPackageList::default(), &[0]);
    let key_package = &fixtures().key_package;
    let list = KeyPackageList(vec![key_package.clone(), key_package.clone()]);
    assert_octets(&list, &vector(&key_package.octets().repeat(2)));
}
