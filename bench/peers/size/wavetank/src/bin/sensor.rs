//! A sensor: gets its address by DHCP, finds its hub by name, and posts a reading a minute to it by HTTP.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::join::join;
use size_board::{Card, Entropy};
use size_wavetank::Time;
use wavetank_stack::dhcp::{Client, Options as DhcpOptions};
use wavetank_stack::dns::{Family, Options as DnsOptions, Resolver};
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::time::{sleep, timeout};
use wavetank_stack::{Config, Duration, Resources, Stack, tcp};

/// One connection with 512 bytes each way; a socket for the DHCP client, and one for the resolver, with room for the longest that
/// a server may send and the longest that the client does; one packet may wait for a neighbour.
type Memory<'r> = Resources<'r, 1, 2, 512, 600, 0, 4, 0, 360, 1>;

const READING: &[u8] = br#"{"device":"sensor","sequence":1,"celsius":21.5}"#;

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let mut memory = Memory::new();
    let (stack, mut runner) = Stack::new(&mut memory, Card::take(), Time, &Config::default(), 4);
    let mut client = Client::new(&stack, &Time, Entropy, DhcpOptions::default());
    let resolver: Resolver<'_, _, _, 0> = Resolver::new(&stack, Time, Entropy, DnsOptions::default());
    let sensor = async {
        stack.until_configured().await;
        loop {
            let _ = timeout(&Time, Duration::from_secs(10), post(&stack, &resolver)).await;
            sleep(&Time, Duration::from_secs(60)).await;
        }
    };
    let _: (_, ()) = runner.run_with(join(client.run(|_| ()), sensor)).await;
}

async fn post(stack: &Stack<'_>, resolver: &Resolver<'_, Time, Entropy, 0>) -> Option<u16> {
    let hub = *resolver.resolve("hub.example", Family::V4).await.ok()?.first()?;
    let stream = tcp::Stream::connect(stack, (hub, 80).into(), tcp::Options::default()).await.ok()?;
    let mut head = [0; 512];
    let mut connection = Connection::new(stream, &mut head);
    let request =
        Request::post("/readings", "hub.example", READING).with_headers(&[("Content-Type", "application/json")]);
    let mut response = connection.send(&request).await.ok()?;
    response.drain().await.ok()?;
    Some(response.status())
}
