//! Our TLS client against rustls, over our TCP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use embedded_io_async::{Read, Write};
use futures_util::future::{Either, select};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use support::Sea;
use wavetank_stack::tcp::{Listener, Options, Stream};
use wavetank_stack::time::{SetClock, WallClock};
use wavetank_stack::tls::{CertificateError, Error, Memory, Trust, connect};

/// Noon of the first of July 2026.
const NOW: u64 = 1_782_907_200;
const YEAR: u64 = 365 * 86_400;
const LONG: usize = 40_000;

/// Who vouches for whom: a root, an authority between, and hub.example.
struct Authority {
    root: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    fn new(leaf: &'static rcgen::SignatureAlgorithm, root: &'static rcgen::SignatureAlgorithm) -> Self {
        let authority = |name: &str| {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2040, 1, 1));
            params
        };
        let root_key = KeyPair::generate_for(root).unwrap();
        let root_params = authority("the root");
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let between_key = KeyPair::generate_for(leaf).unwrap();
        let between_params = authority("between");
        let between = between_params.signed_by(&between_key, &root_issuer).unwrap();
        let between_issuer = Issuer::new(between_params, between_key);
        let mut params = CertificateParams::new(vec!["hub.example".into(), "192.0.2.1".into()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2027, 1, 1));
        let key = KeyPair::generate_for(leaf).unwrap();
        let own = params.signed_by(&key, &between_issuer).unwrap();
        Self {
            root: root.der().clone(),
            chain: vec![own.der().clone(), between.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let config = config.unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(self.chain.clone(), self.key.clone_key()).unwrap())
    }
}

/// Sends back what comes, until the other side has said all.
async fn echo(mut stream: Stream<'static>, config: Arc<ServerConfig>) {
    let mut tls = ServerConnection::new(config).unwrap();
    let mut bytes = [0; 4_096];
    loop {
        while tls.wants_write() {
            let mut out = Vec::new();
            tls.write_tls(&mut out).unwrap();
            if stream.write_all(&out).await.is_err() {
                return;
            }
        }
        let Ok(len @ 1..) = stream.read(&mut bytes).await else {
            return;
        };
        let mut came = &bytes[..len];
        while !came.is_empty() {
            tls.read_tls(&mut came).unwrap();
            let Ok(state) = tls.process_new_packets() else {
                return;
            };
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain).unwrap();
            tls.writer().write_all(&plain).unwrap();
            if state.peer_has_closed() {
                tls.send_close_notify();
            }
        }
    }
}

/// Has a client that trusts these roots call rustls by that name at that time; it sends a text of that length, reads it
/// back, and closes.
fn call(
    authority: &Authority,
    roots: &[CertificateDer<'static>],
    name: &'static str,
    now: Option<u64>,
    len: usize,
) -> Result<(), Error> {
    let sea = Sea::new();
    let (server, client) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let (config, roots, clock) = (authority.config(), roots.to_vec(), sea.clock());
    sea.run(async move {
        let mut config = Arc::unwrap_or_clone(config);
        config.send_tls13_tickets = 2;
        let config = Arc::new(config);
        let listener = Listener::bind(&server.stack, 443, 1, Options::default()).unwrap();
        let serve = async {
            loop {
                echo(listener.accept().await, config.clone()).await;
            }
        };
        let call = async {
            let wall = SetClock::new(clock);
            if let Some(now) = now {
                wall.set_unix_micros(now * 1_000_000);
            }
            let certificates: Vec<&[u8]> = roots.iter().map(|root| &root[..]).collect();
            let trust = Trust::Roots { certificates: &certificates, name, clock: &wall };
            let stream =
                Stream::connect(&client.stack, "192.0.2.1:443".parse().unwrap(), Options::default()).await.unwrap();
            let mut memory: Box<Memory> = Box::new(Memory::new());
            let mut stream = connect(stream, &mut memory, &trust, ChaCha8Rng::seed_from_u64(1)).await?;
            let text: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut back = vec![0; len];
            for (piece, place) in text.chunks(1_000).zip(back.chunks_mut(1_000)) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                let mut filled = 0;
                while filled < place.len() {
                    match stream.read(&mut place[filled..]).await? {
                        0 => return Err(Error::Closed),
                        count => filled += count,
                    }
                }
            }
            assert!(back == text, "the text came back as it went");
            stream.close().await.map(drop)
        };
        match select(Box::pin(serve), Box::pin(call)).await {
            Either::Right((outcome, _)) => outcome,
            Either::Left(_) => panic!("the server never ends"),
        }
    })
}

#[test]
fn a_text_there_and_back() {
    for (leaf, root) in [
        (&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256),
        (&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384),
        (&PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P384_SHA384),
    ] {
        let authority = Authority::new(leaf, root);
        let roots = [authority.root.clone()];
        assert_eq!(call(&authority, &roots, "hub.example", Some(NOW), LONG), Ok(()));
        assert_eq!(call(&authority, &roots, "192.0.2.1", Some(NOW), 10), Ok(()));
    }
}

#[test]
fn whoever_is_not_vouched_for_is_refused() {
    let authority = Authority::new(&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256);
    let other = Authority::new(&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256);
    let (root, stranger) = (authority.root.clone(), other.root);
    let call = |roots: &[CertificateDer<'static>], name, now| call(&authority, roots, name, now, 10);
    let refused = |why| Err(Error::Certificate(why));
    assert_eq!(call(&[stranger.clone(), root.clone()], "hub.example", Some(NOW)), Ok(()));
    let by_stranger = call(&[stranger], "hub.example", Some(NOW));
    assert!(
        matches!(by_stranger, Err(Error::Certificate(CertificateError::Untrusted | CertificateError::BadSignature))),
        "{by_stranger:?}"
    );
    let own = std::slice::from_ref(&root);
    assert_eq!(call(&[], "hub.example", Some(NOW)), refused(CertificateError::Untrusted));
    assert_eq!(call(own, "another.example", Some(NOW)), refused(CertificateError::WrongName));
    assert_eq!(call(own, "192.0.2.2", Some(NOW)), refused(CertificateError::WrongName));
    assert_eq!(call(own, "hub.example", Some(NOW + YEAR)), refused(CertificateError::Expired));
    assert_eq!(call(own, "hub.example", Some(NOW - YEAR)), refused(CertificateError::NotYetValid));
    assert_eq!(call(own, "hub.example", None), Err(Error::NoTime));
    assert_eq!(call(own, "no name", Some(NOW)), Err(Error::Name));
    assert_eq!(call(&[CertificateDer::from(vec![1, 2, 3])], "hub.example", Some(NOW)), Err(Error::Roots));
}
