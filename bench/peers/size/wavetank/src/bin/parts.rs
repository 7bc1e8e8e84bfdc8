//! A TCP stream over Ethernet with a fixed address, and beside it whatever the features name: what it takes more is
//! what they cost.

#![no_std]
#![no_main]

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use embassy_executor::Spawner;
use embassy_futures::join::join;
use embedded_io_async::Write as _;
use size_board::Card;
use size_wavetank::Time;
use wavetank_stack::time::sleep;
use wavetank_stack::{Cidr, Config, Duration, Resources, Route, Stack, tcp};

/// Sockets that the protocols here use.
const SOCKETS: usize = if cfg!(feature = "socket") { 1 } else { 0 };
/// The longest datagram, or packet that waits for a neighbour.
const DATAGRAM_BYTES: usize = 600;

type Memory<'r> = Resources<'r, 1, SOCKETS, 512, DATAGRAM_BYTES, 0, 4>;

const HUB: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let addresses = [Cidr::v4(Ipv4Addr::new(192, 0, 2, 7), 24)];
    let routes = [Route::default_via(HUB)];
    let mut memory = Memory::new();
    let (stack, mut runner) = Stack::new(&mut memory, Card::take(), Time, &Config::new(&addresses, &routes), 4);
    let parts = stream(&stack);
    #[cfg(feature = "datagrams")]
    let parts = join(parts, datagrams(&stack));
    #[cfg(feature = "http")]
    let parts = join(parts, http(&stack));
    #[cfg(feature = "dhcp")]
    let parts = join(parts, dhcp(&stack));
    #[cfg(feature = "dns")]
    let parts = join(parts, dns(&stack));
    #[cfg(feature = "sntp")]
    let parts = join(parts, sntp(&stack));
    #[cfg(feature = "coap-client")]
    let parts = join(parts, coap_client(&stack));
    #[cfg(feature = "coap-server")]
    let parts = join(parts, coap_server(&stack));
    #[cfg(feature = "slaac")]
    let parts = join(parts, slaac(&stack));
    #[cfg(feature = "ping")]
    let parts = join(parts, ping(&stack));
    #[cfg(feature = "mdns")]
    let parts = join(parts, mdns(&stack));
    #[cfg(feature = "tls")]
    let parts = join(parts, tls(&stack));
    #[cfg(feature = "update")]
    let parts = join(parts, update(&stack));
    runner.run_with(join(parts, async {})).await;
}

/// What everything else is held against.
async fn stream(stack: &Stack<'_>) {
    loop {
        let hub = SocketAddr::new(HUB, 80);
        if let Ok(mut stream) = tcp::Stream::connect(stack, hub, tcp::Options::default()).await {
            let _ = stream.write_all(b"21.5").await;
        }
        pause().await;
    }
}

async fn pause() {
    sleep(&Time, Duration::from_secs(60)).await;
}

#[cfg(feature = "datagrams")]
async fn datagrams(stack: &Stack<'_>) {
    use wavetank_stack::udp::{Options, Socket};

    let mut buffer = [0; 64];
    loop {
        if let Ok(socket) = Socket::bind(stack, 0, Options::default()) {
            let _ = socket.send_to(b"21.5", SocketAddr::new(HUB, 7)).await;
            let _ = socket.recv_from(&mut buffer).await;
        }
        pause().await;
    }
}

#[cfg(feature = "http")]
async fn http(stack: &Stack<'_>) {
    use wavetank_stack::http::{Connection, Request};

    loop {
        let hub = SocketAddr::new(HUB, 80);
        if let Ok(stream) = tcp::Stream::connect(stack, hub, tcp::Options::default()).await {
            let mut head = [0; 512];
            let mut connection = Connection::new(stream, &mut head);
            if let Ok(mut response) = connection.send(&Request::post("/readings", "hub.example", b"21.5")).await {
                let _ = response.drain().await;
            }
        }
        pause().await;
    }
}

#[cfg(feature = "dhcp")]
async fn dhcp(stack: &Stack<'_>) {
    use wavetank_stack::dhcp::{Client, Options};

    let _ = Client::new(stack, &Time, size_board::Entropy, Options::default()).run(|_| ()).await;
}

#[cfg(feature = "dns")]
async fn dns(stack: &Stack<'_>) {
    use wavetank_stack::dns::{Family, Options, Resolver};

    let resolver: Resolver<'_, _, _, 1> = Resolver::new(stack, Time, size_board::Entropy, Options::default());
    loop {
        let found = resolver.resolve("hub.example", Family::Any).await;
        core::hint::black_box(found.is_ok());
        pause().await;
    }
}

#[cfg(feature = "sntp")]
async fn sntp(stack: &Stack<'_>) {
    use wavetank_stack::sntp::{Client, Options};
    use wavetank_stack::time::SetClock;

    let wall = SetClock::new(Time);
    Client::new(stack, &Time, &wall, size_board::Entropy, Options::default()).run(&[HUB], |_| ()).await;
}

#[cfg(feature = "coap-client")]
async fn coap_client(stack: &Stack<'_>) {
    use wavetank_stack::coap::{Client, Options, Request};

    let mut answer = [0; 64];
    let Ok(mut client) = Client::new(stack, Time, size_board::Entropy, Options::default()) else {
        return;
    };
    loop {
        let request = Request::post("readings", 0, b"21.5");
        let answered = client.request(SocketAddr::new(HUB, 5_683), &request, &mut answer).await;
        core::hint::black_box(answered.is_ok());
        pause().await;
    }
}

#[cfg(feature = "coap-server")]
async fn coap_server(stack: &Stack<'_>) {
    use core::future::pending;
    use wavetank_stack::coap::{Answer, Asked, Code, Resource, Server, serve};

    struct Celsius;

    impl Resource for Celsius {
        fn answer(&mut self, _: &Asked<'_>, body: &mut [u8]) -> Answer {
            let text = b"21.5";
            body[..text.len()].copy_from_slice(text);
            Answer { code: Code::CONTENT, format: Some(0), len: text.len(), observable: true }
        }
    }

    let mut server: Server<_, 512> = Server::new(Celsius, 4);
    let _ = serve(stack, &Time, &mut server, pending::<()>).await;
}

#[cfg(feature = "slaac")]
async fn slaac(stack: &Stack<'_>) {
    let _ = wavetank_stack::slaac::Client::new(stack, &Time, size_board::Entropy).run(|_| ()).await;
}

#[cfg(feature = "mdns")]
async fn mdns(stack: &Stack<'_>) {
    use wavetank_stack::mdns::{Responder, Service};

    let services = [Service { instance: "Sensor", kind: "_http._tcp", port: 80, text: &["path=/status"] }];
    let _ = Responder::new(stack, &Time, size_board::Entropy, "sensor", &services).run(|_| ()).await;
}

#[cfg(feature = "tls")]
async fn tls(stack: &Stack<'_>) {
    use wavetank_stack::time::{SetClock, WallClock as _};
    use wavetank_stack::tls::{Memory, Trust, connect};

    let wall = SetClock::new(Time);
    wall.set_unix_micros(core::hint::black_box(1));
    let root = core::hint::black_box([0_u8; 4]);
    let trust = Trust::Roots { certificates: &[&root], name: "hub.example", clock: &wall };
    loop {
        let hub = SocketAddr::new(HUB, 443);
        if let Ok(stream) = tcp::Stream::connect(stack, hub, tcp::Options::default()).await {
            let mut memory = Memory::<4_400, 1_024>::new();
            if let Ok(mut stream) = connect(stream, &mut memory, &trust, size_board::Entropy).await {
                let _ = stream.write_all(b"21.5").await;
                let _ = stream.flush().await;
            }
        }
        pause().await;
    }
}

#[cfg(feature = "ping")]
async fn ping(stack: &Stack<'_>) {
    use wavetank_stack::icmp::Pinger;

    let Ok(mut pinger) = Pinger::new(stack) else {
        return;
    };
    loop {
        let answered = pinger.ping(&Time, HUB, 32, Duration::from_secs(1)).await;
        core::hint::black_box(answered.is_ok());
        pause().await;
    }
}

#[cfg(feature = "update")]
async fn update(stack: &Stack<'_>) {
    use core::hint::black_box;

    use size_wavetank::Cells;
    use wavetank_stack::http::Connection;
    use wavetank_stack::update::{Layout, Manifest, PublicKey, Slot, Source, Trust, Updater, Why, fetch};

    let layout = Layout { a: 0..0x2_0000, b: 0x2_0000..0x4_0000, state: 0x4_0000..0x4_2000 };
    let trust = Trust { key: PublicKey(black_box([7; 32])), name: "sensor".parse().expect("a name") };
    let Ok(mut updater) = Updater::new(Cells, layout, Slot::A) else { return };
    let _ = updater.confirm().await;
    let source =
        Source { host: "hub.example", target: "/firmware/sensor/1.0.1", pages: 4, patience: Duration::from_secs(10) };
    loop {
        let hub = SocketAddr::new(HUB, 80);
        if let Ok(stream) = tcp::Stream::connect(stack, hub, tcp::Options::default()).await
            && let Ok(manifest) = Manifest::parse(black_box(&[]))
            && let Ok(mut download) = updater.start(&manifest, &trust).await
        {
            let mut head = [0; 512];
            let mut connection = Connection::new(stream, &mut head);
            while fetch(&mut connection, &source, &mut download, &mut updater, &Time).await.is_ok() {}
            let _ = updater.finish(&mut download).await;
        }
        let _ = updater.give_up(Why::SelfTest).await;
        pause().await;
    }
}
