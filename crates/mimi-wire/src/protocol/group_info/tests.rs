use super::{
    GroupInfoOutcome, GroupInfoRatchetTreeTbe, GroupInfoRequest, GroupInfoRequestTbs,
    GroupInfoResponse, GroupInfoSuccess, JoiningCode, JoiningCodeForm, PendingProposal,
};
use crate::Wire;
use crate::fixtures::{assert_octets, fixtures, octets, text, vector};
use crate::limits::{JOINING_CODE_OCTETS_MAX, LIST_ELEMENTS_MAX};
use crate::protocol::ratchet_tree::RatchetTreeOption;
use crate::uri::MimiUri;

const ROOM: &str = "mimi://a.example/r/clubhouse";
const CODE: [u8; 4] = [0xfe, 0xed, 0xbe, 0xef];

fn tbs(joining_code: Option<JoiningCode>) -> GroupInfoRequestTbs {
    GroupInfoRequestTbs {
        cipher_suite: 1,
        requesting_signature_key: vec![0x11; 32],
        requesting_credential: fixtures().credential.clone(),
        group_info_public_key: vec![0x22; 32],
        joining_code,
    }
}

fn up_to_code() -> Vec<u8> {
    let credential = fixtures().credential.octets();
    octets!("01 0001", vector(&[0x11; 32]), credential, vector(&[0x22; 32]))
}

fn plain() -> JoiningCode {
    JoiningCode { code: CODE.to_vec(), form: JoiningCodeForm::Plain }
}

/// PROTO-GI-1, AMB-GI-1.
#[test]
fn requests() {
    let without = octets!(up_to_code(), "00");
    assert_octets(&tbs(None), &without);
    let request = |tbs| GroupInfoRequest { tbs, signature: vec![0xcc; 64] };
    let signature = vector(&[0xcc; 64]);
    assert_octets(&request(tbs(None)), &octets!(without, signature.clone()));
    let optional = octets!(up_to_code(), "01 04", CODE.as_slice());
    let code = Some(JoiningCode::new(CODE.to_vec()));
    assert_octets(&tbs(code.clone()), &optional);
    assert_octets(&request(tbs(code)), &octets!(optional, signature.clone()));
    let plain_octets = octets!(up_to_code(), "04", CODE.as_slice(), signature);
    assert_octets(&request(tbs(Some(plain()))), &plain_octets);
}

/// AMB-GI-1: a signature may be over either form when the code came in the plain one.
#[test]
fn signed_octets() {
    let signed = |code| GroupInfoRequest { tbs: tbs(code), signature: vec![] }.signed_octets();
    let optional = octets!(up_to_code(), "01 04", CODE.as_slice());
    let plain_octets = octets!(up_to_code(), "04", CODE.as_slice());
    assert_eq!(signed(None), [octets!(up_to_code(), "00")]);
    let either = signed(Some(plain()));
    assert_eq!(either, [plain_octets, optional]);
    assert_eq!(signed(Some(JoiningCode::new(CODE.to_vec()))), either[1..]);
}

/// An optional code whose octets could also be read as a plain one is read as an optional one.
#[test]
fn the_optional_form_comes_first() {
    for code in [vec![], vec![0], vec![1, 0], vec![0x20; 0x20]] {
        let tbs = tbs(Some(JoiningCode::new(code)));
        let request = GroupInfoRequest { tbs, signature: vec![0xcc; 64] };
        assert_eq!(GroupInfoRequest::decode(&request.encode()), Ok(request));
    }
    // Presence 2 is a plain code of two octets or nothing.
    assert!(GroupInfoRequest::decode(&octets!(up_to_code(), "02")).is_err());
    let fault = GroupInfoRequest::decode(&octets!(up_to_code(), "02 ff")).unwrap_err();
    assert_eq!(fault.reason, "presence octet 2, must be 0 or 1");
}

#[test]
fn codes_at_the_limit_and_beyond() {
    let with = |length| {
        let tbs = tbs(Some(JoiningCode::new(vec![0xff; length])));
        GroupInfoRequest { tbs, signature: vec![0xcc; 64] }.encode()
    };
    assert!(GroupInfoRequest::decode(&with(JOINING_CODE_OCTETS_MAX)).is_ok());
    assert!(GroupInfoRequest::decode(&with(JOINING_CODE_OCTETS_MAX + 1)).is_err());
}

fn pending() -> PendingProposal {
    PendingProposal { proposal: fixtures().proposal.clone(), hub_accepted_time: 0x0a0b }
}

fn tbe(pending_proposals: Vec<PendingProposal>) -> GroupInfoRatchetTreeTbe {
    GroupInfoRatchetTreeTbe {
        group_info: fixtures().group_info.clone(),
        ratchet_tree: RatchetTreeOption::Full(fixtures().ratchet_tree.clone()),
        pending_proposals,
    }
}

/// PROTO-GI-3.
#[test]
fn what_is_encrypted() {
    let fixtures = fixtures();
    let pending_octets = octets!(fixtures.proposal.octets(), "0000000000000a0b");
    assert_octets(&pending(), &pending_octets);
    let commit = octets!(fixtures.commit.octets(), "0000000000000a0b");
    assert!(PendingProposal::decode(&commit).is_err());
    let start = octets!(fixtures.group_info.octets(), "01", fixtures.ratchet_tree.octets());
    assert_octets(&tbe(vec![]), &octets!(start.clone(), "00"));
    let two = vector(&pending_octets.repeat(2));
    assert_octets(&tbe(vec![pending(), pending()]), &octets!(start, two));
    // AMB-UPD-5 holds here too.
    let embedded = octets!(fixtures.group_info_with_tree.octets(), "04 00");
    assert!(GroupInfoRatchetTreeTbe::decode(&embedded).unwrap_err().reason.contains("AMB-UPD-5"));
    let with = |count| tbe(vec![pending(); count]).encode();
    assert!(GroupInfoRatchetTreeTbe::decode(&with(LIST_ELEMENTS_MAX)).is_ok());
    assert!(GroupInfoRatchetTreeTbe::decode(&with(LIST_ELEMENTS_MAX + 1)).is_err());
}

/// PROTO-GI-2, PROTO-GI-4, AMB-GI-4, AMB-W-9.
#[test]
fn responses() {
    let fixtures = fixtures();
    let room_id = MimiUri::new(ROOM).unwrap();
    let success = GroupInfoResponse {
        room_id: room_id.clone(),
        outcome: GroupInfoOutcome::Success(GroupInfoSuccess {
            cipher_suite: 3,
            hub_sender: fixtures.external_sender.clone(),
            encrypted_group_info_and_tree: fixtures.hpke_ciphertext.clone(),
            signature: vec![0xdd, 0xee],
        }),
    };
    let signed = octets!(
        "01",
        text(ROOM),
        "01 0003",
        fixtures.external_sender.octets(),
        "02 aabb 03 010203",
    );
    assert_eq!(success.to_be_signed(), signed);
    assert_octets(&success, &octets!(signed, "02 ddee"));
    for (outcome, octet) in
        [(GroupInfoOutcome::NotAuthorized, "02"), (GroupInfoOutcome::NoSuchRoom, "03")]
    {
        let response = GroupInfoResponse { room_id: room_id.clone(), outcome };
        assert_octets(&response, &octets!("01", text(ROOM), octet));
    }
    for unknown in ["00", "04"] {
        assert!(GroupInfoResponse::decode(&octets!("01", text(ROOM), unknown)).is_err());
    }
    assert!(GroupInfoResponse::decode(&octets!("02", text(ROOM), "02")).is_err());
}
