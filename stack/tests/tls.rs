//! Our TLS client against rustls, over our TCP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/websocket.rs"]
mod peer;
#[path = "fuzzed/targets/script.rs"]
mod script;
mod support;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use embedded_io_async::{ErrorType, Read, Write};
use futures_util::future::{Either, join, select};
use peer::{ACCEPTED, Peer, known};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use script::{Script, Still, run};
use support::{Dice, Sea, patiently};
use wavetank_stack::Duration;
use wavetank_stack::tcp::{self, Listener, Options, Stream};
use wavetank_stack::time::{SetClock, WallClock};
use wavetank_stack::tls::{self, CertificateError, Error, Memory, Trust, connect};
use wavetank_stack::websocket::{self, Message, Request};

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

/// What is said of a certificate otherwise than usual.
type Change = fn(&mut CertificateParams);

impl Authority {
    fn new(leaf: &'static rcgen::SignatureAlgorithm, root: &'static rcgen::SignatureAlgorithm) -> Self {
        Self::with(leaf, root, &[|_| {}], |_| {})
    }

    /// One with as many authorities between as there are changes to those, the root's neighbour first; the last is hub.example's.
    fn with(
        leaf: &'static rcgen::SignatureAlgorithm,
        root: &'static rcgen::SignatureAlgorithm,
        between: &[Change],
        own: Change,
    ) -> Self {
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
        let (mut issuer, mut chain) = (Issuer::new(root_params, root_key), Vec::new());
        for (number, change) in between.iter().enumerate() {
            let (key, mut params) = (KeyPair::generate_for(leaf).unwrap(), authority(&format!("between {number}")));
            change(&mut params);
            chain.insert(0, params.signed_by(&key, &issuer).unwrap().der().clone());
            issuer = Issuer::new(params, key);
        }
        let mut params = CertificateParams::new(vec!["hub.example".into(), "192.0.2.1".into()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2027, 1, 1));
        own(&mut params);
        let key = KeyPair::generate_for(leaf).unwrap();
        chain.insert(0, params.signed_by(&key, &issuer).unwrap().der().clone());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Self { root: root.der().clone(), chain, key }
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

/// RFC 5280, sections 4.2.1.9, 4.2.1.10 and 4.2.1.12.
#[test]
fn whoever_vouches_must_be_allowed_to_and_for_that() {
    let call_by = |between: &[Change], own: Change| {
        let authority = Authority::with(&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256, between, own);
        call(&authority, std::slice::from_ref(&authority.root), "hub.example", Some(NOW), 10)
    };
    let as_usual: Change = |_| {};
    let refused = |why| Err(Error::Certificate(why));
    let purposes: Change = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert_eq!(call_by(&[as_usual; 3], purposes), Ok(()));
    // A certificate for clients; one by somebody who is no authority; by one who may only vouch for others than authorities, and by
    // one who may not vouch for that name.
    let client: Change = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(call_by(&[as_usual], client), refused(CertificateError::Invalid));
    let nobody: Change = |params| params.is_ca = IsCa::ExplicitNoCa;
    assert_eq!(call_by(&[nobody], as_usual), refused(CertificateError::Invalid));
    let last: Change = |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    assert_eq!(call_by(&[as_usual, last], as_usual), Ok(()));
    assert_eq!(call_by(&[last, as_usual], as_usual), refused(CertificateError::Invalid));
    let elsewhere: Change = |params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("elsewhere.example".into())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
    };
    assert_eq!(call_by(&[elsewhere], as_usual), refused(CertificateError::Invalid));
    assert_eq!(call_by(&[as_usual; 5], as_usual), refused(CertificateError::TooLong));
}

/// rustls as a stream, the server's side; its records come in crumbs.
struct Secured {
    sea: Sea,
    stream: Stream<'static>,
    tls: ServerConnection,
}

impl Secured {
    fn new(sea: Sea, stream: Stream<'static>, config: Arc<ServerConfig>) -> Self {
        Self { sea, stream, tls: ServerConnection::new(config).unwrap() }
    }
}

impl ErrorType for Secured {
    type Error = tcp::Error;
}

impl Read for Secured {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, tcp::Error> {
        loop {
            self.flush().await?;
            match self.tls.reader().read(out) {
                Ok(len) => return Ok(len),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
            let mut came = [0; 700];
            let mut came = match self.stream.read(&mut came).await? {
                0 => return Ok(0),
                len => &came[..len],
            };
            while !came.is_empty() {
                self.tls.read_tls(&mut came).unwrap();
                self.tls.process_new_packets().unwrap();
            }
        }
    }
}

impl Write for Secured {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, tcp::Error> {
        let len = self.tls.writer().write(bytes).unwrap();
        self.flush().await?;
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), tcp::Error> {
        while self.tls.wants_write() {
            let mut out = Vec::new();
            self.tls.write_tls(&mut out).unwrap();
            for crumb in out.chunks(41) {
                self.stream.write_all(crumb).await?;
                self.sea.sleep(Duration::from_micros(50)).await;
            }
        }
        Ok(())
    }
}

type Client = tls::Stream<'static, Stream<'static>>;

/// Runs a client and a server beside each other, over a connection that is secured. Little fits each buffer, so that every
/// record is waited for in its middle.
fn talk<C: Future<Output = ()>, S: Future<Output = ()>>(
    authority: &Authority,
    client: impl FnOnce(Sea, Client) -> C + 'static,
    server: impl FnOnce(Sea, Secured) -> S + 'static,
) {
    let sea = Sea::new();
    let (serving, calling) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let (config, root, running) = (authority.config(), authority.root.clone(), sea.clone());
    let mut options = Options::default();
    (options.send_bytes, options.receive_bytes, options.nagle) = (300, 700, false);
    running.run(async move {
        let listener = Listener::bind(&serving.stack, 443, 1, options).unwrap();
        let call = async {
            let wall = SetClock::new(sea.clock());
            wall.set_unix_micros(NOW * 1_000_000);
            let certificates = [&root[..]];
            let trust = Trust::Roots { certificates: &certificates, name: "hub.example", clock: &wall };
            let stream = Stream::connect(&calling.stack, "192.0.2.1:443".parse().unwrap(), options).await.unwrap();
            let memory = Box::leak(Box::new(Memory::<2_309, 600>::new()));
            let stream = connect(stream, memory, &trust, ChaCha8Rng::seed_from_u64(1)).await.unwrap();
            client(sea.clone(), stream).await;
        };
        let serve = async {
            let stream = listener.accept().await;
            server(sea.clone(), Secured::new(sea.clone(), stream, config)).await;
        };
        join(call, serve).await;
    });
}

#[test]
fn dropping_what_reads_or_writes_loses_and_doubles_nothing() {
    const LEN: usize = 12_000;
    let authority = Authority::new(&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256);
    for seed in 0..6 {
        let client = async move |sea: Sea, mut stream: Client| {
            let dice = Dice::new(seed);
            let text: Vec<u8> = (0..LEN).map(|i| (i % 251) as u8).collect();
            let (mut sent, mut back, mut drops) = (0, Vec::new(), 0);
            while back.len() < LEN {
                let mut room = [0; 200];
                let polls = 1 + dice.below(2);
                let choice = dice.below(3);
                let outcome = match choice {
                    0 if sent < LEN && sent < back.len() + 1_500 => {
                        let piece = &text[sent..LEN.min(sent + 1 + dice.below(900) as usize)];
                        patiently(polls, stream.write(piece)).await.map(|written| sent += written.unwrap())
                    }
                    1 => patiently(polls, stream.flush()).await.map(Result::unwrap),
                    _ => {
                        let len = 1 + dice.below(200) as usize;
                        let read = patiently(polls, stream.read(&mut room[..len])).await;
                        read.map(|len| back.extend_from_slice(&room[..len.unwrap()]))
                    }
                };
                if outcome.is_none() {
                    drops += 1;
                    sea.sleep(Duration::from_micros(dice.below(100))).await;
                }
            }
            assert!(back == text, "seed {seed}: it came back as it went");
            assert!(drops > 100, "seed {seed}: {drops}");
            stream.close().await.unwrap();
        };
        let server = async |_: Sea, mut stream: Secured| {
            let mut bytes = [0; 1_000];
            while let Ok(len @ 1..) = stream.read(&mut bytes).await {
                stream.write_all(&bytes[..len]).await.unwrap();
            }
        };
        talk(&authority, client, server);
    }
}

#[test]
fn messages_over_tls_are_heard_once_whatever_is_dropped() {
    const MESSAGES: u32 = 40;
    let authority = Authority::new(&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256);
    for seed in 0..6 {
        let client = async move |sea: Sea, stream: Client| {
            let dice = Dice::new(seed);
            let mut memory: websocket::Memory<256, 256> = websocket::Memory::new();
            let (request, options) = (Request::new("/talk", "hub.example"), websocket::Options::default());
            let opening = websocket::open(stream, &mut memory, &request, sea.clock(), known(), options);
            let mut socket = opening.await.unwrap();
            let (mut next, mut drops) = (0, 0);
            while next < MESSAGES {
                if dice.below(8) == 0 {
                    let echo = format!("{next}");
                    drops += u32::from(patiently(1 + dice.below(2), socket.send_text(&echo)).await.is_none());
                }
                match patiently(1 + dice.below(3), socket.recv()).await {
                    Some(Ok(Message::Text(text))) => {
                        assert_eq!(text.trim_end_matches('.'), next.to_string(), "seed {seed}");
                        next += 1;
                    }
                    Some(other) => panic!("{other:?}"),
                    None => {
                        drops += 1;
                        sea.sleep(Duration::from_micros(dice.below(100))).await;
                    }
                }
            }
            assert!(drops > 100, "seed {seed}: {drops}");
            socket.close(1000, "").await.unwrap();
        };
        let server = async move |_: Sea, stream: Secured| {
            let (mut peer, dice) = (Peer::answer(stream, ACCEPTED).await, Dice::new(seed + 100));
            for number in 0..MESSAGES {
                peer.say(0x81, format!("{number}{}", ".".repeat(dice.below(100) as usize)).as_bytes()).await;
            }
            let mut last = 0;
            loop {
                match peer.hear().await.unwrap() {
                    (0x81, message) => {
                        let number: u32 = String::from_utf8(message).unwrap().parse().unwrap();
                        assert!(number >= last, "seed {seed}: in order");
                        last = number;
                    }
                    (first, _) => {
                        assert_eq!(first, 0x88);
                        break;
                    }
                }
            }
            peer.say(0x88, b"").await;
        };
        talk(&authority, client, server);
    }
}

/// What rustls answers to the first thing that our client says, which is always the same here; and who vouches for it.
fn first_flight() -> (Vec<u8>, CertificateDer<'static>) {
    let authority = Authority::new(&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P256_SHA256);
    let mut script = Script::new(&[], 0);
    assert!(hear_out(&mut script, &authority.root).is_err());
    let mut server = ServerConnection::new(authority.config()).unwrap();
    server.read_tls(&mut &script.sent[..]).unwrap();
    server.process_new_packets().unwrap();
    let mut flight = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut flight).unwrap();
    }
    (flight, authority.root)
}

/// Shakes hands with a server that has said everything already, and reads what comes after it, which is not asked about.
fn hear_out(script: &mut Script<'_>, root: &[u8]) -> Result<(), Error> {
    let wall = SetClock::new(Still);
    wall.set_unix_micros(NOW * 1_000_000);
    let certificates = [root];
    let trust = Trust::Roots { certificates: &certificates, name: "hub.example", clock: &wall };
    let mut memory: Box<Memory> = Box::new(Memory::new());
    run(async {
        let mut tls = connect(script, &mut memory, &trust, ChaCha8Rng::seed_from_u64(3)).await?;
        while tls.read(&mut [0; 64]).await.is_ok_and(|len| len > 0) {}
        Ok(())
    })
}

#[test]
fn whatever_a_server_says_first_is_borne() {
    let (flight, root) = first_flight();
    hear_out(&mut Script::new(&flight, 0), &root).expect("as it is, it is what the client waits for");
    let dice = Dice::new(11);
    let mut failed = 0;
    for turn in 0..600 {
        let mut said = flight.clone();
        for _ in 0..=dice.below(3) {
            // What is not encrypted comes first: half of the changes are there.
            let end = if turn % 2 == 0 { 160.min(said.len()) } else { said.len() };
            if end == 0 {
                break;
            }
            let at = dice.below(end as u64) as usize;
            match dice.below(4) {
                0 => said[at] = dice.roll() as u8,
                1 => said[at] ^= 1 << dice.below(8),
                2 => drop(said.drain(at..(at + 1 + dice.below(16) as usize).min(end))),
                _ => said.truncate(at + 1),
            }
        }
        let portion = dice.below(40) as u8;
        failed += u32::from(said != flight && hear_out(&mut Script::new(&said, portion), &root).is_err());
    }
    assert!(failed > 550, "{failed}");
}
