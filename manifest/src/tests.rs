extern crate std;

use std::string::{String, ToString};
use std::vec::Vec;

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;

/// RFC 8032, section 7.1, test 1: the key that signs, and the key that is pinned.
const SECRET: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn vendor() -> (SigningKey, PublicKey) {
    let secret: PublicKey = SECRET.parse().expect("64 digits");
    (SigningKey::from_bytes(&secret.0), PUBLIC.parse().expect("64 digits"))
}

fn signed(mut manifest: Manifest, key: &SigningKey) -> Manifest {
    let text = manifest.signed_text().to_string();
    manifest.signature = Some(Signature(key.sign(text.as_bytes()).to_bytes()));
    manifest
}

fn manifest() -> Manifest {
    let name = "thermostat".parse().expect("a name");
    Manifest::of(name, Version::new(1, 2, 0), Version::new(1, 0, 0), b"code").expect("an image")
}

/// A vector: image, text and signature as whoever writes another implementation has to come to.
const VECTOR: &str = "wavetank firmware 2\n\
    thermostat\n\
    1.2.0\n\
    1.0.0\n\
    4\n\
    5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b\n\
    a1a903e3b32441b1bce8f43328db840a26c8354530921e82ae636741aeb08bcb4121094676b0f594c3f93c20c4468c7614adc556595ea58ab83d6ab47d443a01\n";

#[test]
fn the_text_is_what_it_is() {
    let (key, public) = vendor();
    let manifest = signed(manifest(), &key);
    let text = manifest.to_string();
    assert_eq!(text, VECTOR);
    assert_eq!(manifest.text().as_str(), text);
    assert_eq!(Manifest::parse(text.as_bytes()).as_ref(), Ok(&manifest));
    assert_eq!(manifest.verify(&public), Ok(()));
    assert!(manifest.is_of(b"code") && !manifest.is_of(b"c0de") && !manifest.is_of(b"code\0"));
}

#[test]
fn nobody_else_vouches_for_it() {
    let (key, public) = vendor();
    let manifest = manifest();
    assert_eq!(manifest.verify(&public), Err(SignatureError::Unsigned));
    let stranger = SigningKey::from_bytes(&[7; 32]);
    assert_eq!(signed(manifest.clone(), &stranger).verify(&public), Err(SignatureError::Forged));
    let manifest = signed(manifest, &key);
    for changed in [
        Manifest { version: Version::new(1, 2, 1), ..manifest.clone() },
        Manifest { minimum: Version::new(0, 0, 0), ..manifest.clone() },
        Manifest { length: 5, ..manifest.clone() },
        Manifest { name: "lamp".parse().expect("a name"), ..manifest.clone() },
        Manifest { sha256: Digest([0; 32]), ..manifest },
    ] {
        assert_eq!(changed.verify(&public), Err(SignatureError::Forged), "{changed:?}");
    }
    // A point of small order, under which anything verifies by the lenient rule.
    let nobody = PublicKey(core::array::from_fn(|at| u8::from(at == 0)));
    assert!(signed(self::manifest(), &key).verify(&nobody).is_err());
}

#[test]
fn a_text_that_is_no_manifest_says_why() {
    let text = signed(manifest(), &vendor().0).to_string();
    let parse = |text: &str| Manifest::parse(text.as_bytes()).map(|_| ());
    assert_eq!(parse(""), Err(ParseError::Kind));
    assert_eq!(parse(&text.replace("firmware 2", "firmware 1")), Err(ParseError::Kind));
    assert_eq!(parse(text.trim_end()), Err(ParseError::Lines));
    assert_eq!(parse(&(text.clone() + "\n")), Err(ParseError::Lines));
    assert_eq!(parse(&text.replace('\n', "\r\n")), Err(ParseError::Kind));
    assert_eq!(parse(&text.replace("thermostat", "../thermostat")), Err(ParseError::Line("name")));
    assert_eq!(parse(&text.replace("1.2.0", "1.02.0")), Err(ParseError::Line("version")));
    assert_eq!(parse(&text.replace("1.0.0", "1.0")), Err(ParseError::Line("oldest version")));
    assert_eq!(parse(&text.replace("1.0.0", "2.0.0")), Err(ParseError::Minimum));
    for length in ["0", "04", "+4", "4294967296"] {
        assert_eq!(parse(&text.replace("\n4\n", &std::format!("\n{length}\n"))), Err(ParseError::Line("length")));
    }
    assert_eq!(parse(&text.replace("5694", "569F")), Err(ParseError::Line("hash")));
    assert_eq!(parse(&text.replace("x".repeat(400).as_str(), "")), Ok(()));
    assert_eq!(parse(&text.replace("thermostat", &"x".repeat(400))), Err(ParseError::Lines));
}

#[test]
fn versions_are_ordered_and_written_in_one_way() {
    let version = |text: &str| text.parse::<Version>().ok();
    assert!(version("1.10.0") > version("1.9.65535"));
    assert_eq!(version("1.2.3").map(Version::as_gauge), Some(1_002_003));
    for text in ["", "1", "1.2", "1.2.3.4", "1.2.3-rc1", "v1.2.3", "1.2.65536", "1.2.03", "1..3", "+1.2.3"] {
        assert_eq!(version(text), None, "{text:?}");
    }
}

#[test]
fn no_image_is_made_that_forbids_itself() {
    let name = || "thermostat".parse::<Name>().expect("a name");
    let of = |minimum, image: &[u8]| Manifest::of(name(), Version::new(1, 0, 0), minimum, image).map(|_| ());
    assert_eq!(of(Version::new(1, 0, 1), b"code"), Err(ImageError::Minimum));
    assert_eq!(of(Version::new(1, 0, 0), b""), Err(ImageError::Empty));
    assert_eq!(of(Version::new(1, 0, 0), b"code"), Ok(()));
}

#[cfg(feature = "serde")]
#[test]
fn as_json_it_is_the_same() {
    let manifest = signed(manifest(), &vendor().0);
    let json = serde_json::to_string(&manifest).expect("it can be written");
    assert!(json.starts_with(r#"{"name":"thermostat","version":"1.2.0","minimum":"1.0.0","length":4,"sha256":"5694"#));
    assert_eq!(serde_json::from_str::<Manifest>(&json).ok().as_ref(), Some(&manifest));
    assert!(serde_json::from_str::<Manifest>(&json.replace("1.2.0", "latest")).is_err());
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    let version = || (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, b, c)| Version::new(a, b, c));
    let signature = prop::option::of((any::<[u8; 32]>(), any::<[u8; 32]>()));
    ("[a-z0-9][a-zA-Z0-9._-]{0,63}", version(), version(), 1..=u32::MAX, any::<[u8; 32]>(), signature).prop_map(
        |(name, one, other, length, sha256, signature)| Manifest {
            name: name.parse().expect("a name"),
            version: one.max(other),
            minimum: one.min(other),
            length,
            sha256: Digest(sha256),
            signature: signature
                .map(|(first, second)| Signature([first, second].concat().try_into().expect("two halves"))),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(manifest in any_manifest()) {
        let text = manifest.to_string();
        prop_assert!(text.len() <= Manifest::TEXT_MAX);
        prop_assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
    }

    #[test]
    fn what_is_read_was_written_so(text in prop::collection::vec(any::<u8>(), 0..400), at in 0..200_usize, whole: bool) {
        let mut bytes = if whole { signed(manifest(), &vendor().0).to_string().into_bytes() } else { Vec::new() };
        let at = at.min(bytes.len());
        bytes.splice(at..(at + 1).min(bytes.len()), text.into_iter().take(if whole { 2 } else { 400 }));
        if let Ok(manifest) = Manifest::parse(&bytes) {
            prop_assert_eq!(Ok(manifest.to_string()), String::from_utf8(bytes));
        }
    }
}
