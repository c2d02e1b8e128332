//! The examples of Web Authentication Level 3 (section 16): answers of authenticators that others have made, in `tests/vectors.json`.

use serde_json::Value;

use model::digest::sha256;
use model::time::Timestamp;
use url::Url;

use crate::authenticator_data::AuthenticatorData;
use crate::client_data::{Ceremony, challenge_of};
use crate::public_key::PublicKey;
use crate::relying_party::authenticator_words;
use crate::{Attestation, Purpose, RelyingParty, UnfitAddress};

const ORIGIN: &str = "https://example.org";
const USER_VERIFIED: u8 = 1 << 2;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("tests/vectors.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn name(vector: &Value) -> &str {
    vector["name"].as_str().unwrap()
}

#[test]
fn credentials_of_the_specification_are_read_and_verify_their_signatures_and_no_others() {
    for vector in vectors() {
        let attestation = bytes(&vector["created"]["attestation"]);
        let data = AuthenticatorData::parse(authenticator_words(&attestation).unwrap());
        if name(&vector) == "packed.ES384" {
            assert!(data.is_err(), "nobody asked for P-384");
            continue;
        }
        let credential = data.unwrap().credential.unwrap();
        assert_eq!(credential.id, bytes(&vector["credentialId"]), "{}", name(&vector));
        let key = PublicKey::parse(&credential.public_key).unwrap();
        let got = &vector["got"];
        let mut signed = bytes(&got["authenticatorData"]);
        signed.extend(sha256([&bytes(&got["clientData"])]));
        let mut signature = bytes(&got["signature"]);
        assert!(key.verifies(&signed, &signature), "{}", name(&vector));
        *signature.last_mut().unwrap() ^= 1;
        assert!(!key.verifies(&signed, &signature), "{}", name(&vector));
    }
}

#[test]
fn their_frames_are_refused_and_whoever_did_not_ask_for_its_person() {
    let party = sha256([b"example.org"]);
    for vector in vectors() {
        let is_framed = name(&vector).ends_with("Origin");
        for (ceremony, words) in [
            (Ceremony::Create, &vector["created"]["clientData"]),
            (Ceremony::Get, &vector["got"]["clientData"]),
        ] {
            let challenge = challenge_of(&bytes(words), ceremony, ORIGIN);
            assert_eq!(challenge.is_err(), is_framed, "{}", name(&vector));
            assert!(challenge_of(&bytes(words), ceremony, "https://example.com").is_err());
        }
        let words = bytes(&vector["got"]["authenticatorData"]);
        let data = AuthenticatorData::parse(&words).unwrap();
        let is_verified = words[32] & USER_VERIFIED != 0;
        assert_eq!(data.expect(&party).is_ok(), is_verified, "{}", name(&vector));
        assert!(data.expect(&sha256([b"example.com"])).is_err());
    }
}

#[test]
fn what_is_broken_off_longer_or_another_answer_is_refused_without_a_panic() {
    let party = RelyingParty::new(Url::parse(ORIGIN).ok().as_ref(), [7; 32]).unwrap();
    let (now, purpose) = (Timestamp::from_millis(1), Purpose::SignIn { browser: "a" });
    for vector in vectors() {
        let created = &vector["created"];
        let (words, attestation) = (bytes(&created["clientData"]), bytes(&created["attestation"]));
        let given = Attestation {
            client_data: words,
            object: attestation.clone(),
        };
        let refused = party.register(purpose, now, &given);
        assert!(refused.is_err(), "its challenge is none of ours");
        for length in 0..attestation.len() {
            let read = authenticator_words(&attestation[..length]);
            assert_eq!(read, None, "{}: {length}", name(&vector));
        }
        let data = authenticator_words(&attestation).unwrap();
        for length in 0..data.len() {
            assert!(AuthenticatorData::parse(&data[..length]).is_err(), "{length}");
        }
        assert!(AuthenticatorData::parse(&[data, &[0]].concat()).is_err());
        let mut unsound = data.to_vec();
        // Backed up, and yet nothing that can be.
        unsound[32] = unsound[32] & !0x08 | 0x10;
        assert!(AuthenticatorData::parse(&unsound).is_err());
    }
}

#[test]
fn what_is_endless_or_very_deep_is_refused_without_harm() {
    // {_ "authData": h'00' }, then {"attStmt": [[[…]]]} with a million levels, and {"attStmt": 2^63 items}.
    let endless = hex::decode("bf6861757468446174614100ff").unwrap();
    let statement = hex::decode("a16761747453746d74").unwrap();
    let deep = [&statement[..], &[0x81; 1_000_000]].concat();
    let many = [&statement[..], &[0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    for attestation in [endless, deep, many] {
        assert_eq!(authenticator_words(&attestation), None);
    }
}

#[test]
fn a_point_off_its_curve_and_parts_that_stand_twice_are_no_key() {
    let key = "a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220";
    let parse = |text: &str| PublicKey::parse(&hex::decode(text).unwrap());
    assert!(parse(key).is_some());
    let changes = [
        ("b9220", "b9221"),
        ("a501", "a401"),
        ("0326", "0327"),
        ("a50102", "a6010203262102"),
        ("2001", "2002"),
        ("0102", "0103"),
    ];
    for (from, to) in changes {
        assert_eq!(parse(&key.replacen(from, to, 1)), None, "{from}");
    }
    assert_eq!(parse(&format!("{key}00")), None);
}

#[test]
fn a_server_has_passkeys_under_a_name_and_over_tls_or_on_this_machine() {
    let party = |text: &str| RelyingParty::new(Some(&Url::parse(text).unwrap()), [7; 32]);
    for (address, origin) in [
        ("https://Ops.example/path/", "https://ops.example"),
        ("https://ops.example:8443", "https://ops.example:8443"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://ops.localhost:8080/", "http://ops.localhost:8080"),
    ] {
        assert_eq!(party(address).unwrap().origin(), origin);
    }
    for (address, why) in [
        ("http://ops.example", UnfitAddress::Plain),
        ("https://192.0.2.1", UnfitAddress::NoName),
        ("http://127.0.0.1:8080", UnfitAddress::NoName),
        ("https://[::1]:8080", UnfitAddress::NoName),
    ] {
        assert_eq!(party(address).err(), Some(why), "{address}");
    }
    assert_eq!(
        RelyingParty::new(None, [7; 32]).err(),
        Some(UnfitAddress::Missing)
    );
}
