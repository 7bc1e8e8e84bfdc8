//! A sensor: gets its address by DHCP, finds its hub by name, and posts a reading a minute to it by HTTP.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::{Config, Runner, Stack, StackResources};
use embassy_time::{Duration, Timer, with_timeout};
use size_board::Card;
use static_cell::StaticCell;

const READING: &[u8] = br#"{"device":"sensor","sequence":1,"celsius":21.5}"#;

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Card>) {
    runner.run().await;
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    /// One socket each for DHCP, the resolver and the connection.
    static RESOURCES: StaticCell<StackResources<3>> = StaticCell::new();
    let resources = RESOURCES.init(StackResources::new());
    let (stack, runner) = embassy_net::new(Card::take(), Config::dhcpv4(Default::default()), resources, 4);
    if let Ok(task) = network(runner) {
        spawner.spawn(task);
    }
    stack.wait_config_up().await;
    loop {
        let _ = with_timeout(Duration::from_secs(10), post(stack)).await;
        Timer::after_secs(60).await;
    }
}

#[cfg(feature = "reqwless")]
async fn post(stack: Stack<'static>) -> Option<u16> {
    use embassy_net::dns::DnsSocket;
    use embassy_net::tcp::client::{TcpClient, TcpClientState};
    use reqwless::client::HttpClient;
    use reqwless::headers::ContentType;
    use reqwless::request::{Method, RequestBuilder};

    let state = TcpClientState::<1, 512, 512>::new();
    let (tcp, dns) = (TcpClient::new(stack, &state), DnsSocket::new(stack));
    let mut client = HttpClient::new(&tcp, &dns);
    let mut head = [0; 512];
    let request = client.request(Method::POST, "http://hub.example/readings").await.ok()?;
    let mut request = request.body(READING).content_type(ContentType::ApplicationJson);
    let response = request.send(&mut head).await.ok()?;
    let status = response.status.0;
    response.body().discard().await.ok()?;
    Some(status)
}

#[cfg(feature = "our-http")]
async fn post(stack: Stack<'static>) -> Option<u16> {
    use embassy_net::dns::DnsQueryType;
    use embassy_net::tcp::TcpSocket;
    use wavetank_stack::http::{Connection, Request};

    let hub = *stack.dns_query("hub.example", DnsQueryType::A).await.ok()?.first()?;
    let (mut receive, mut send) = ([0; 512], [0; 512]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.connect((hub, 80)).await.ok()?;
    let mut head = [0; 512];
    let mut connection = Connection::new(socket, &mut head);
    let request =
        Request::post("/readings", "hub.example", READING).with_headers(&[("Content-Type", "application/json")]);
    let mut response = connection.send(&request).await.ok()?;
    response.drain().await.ok()?;
    Some(response.status())
}
