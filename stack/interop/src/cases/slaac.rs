//! An IPv6 address by what a router says, which is dnsmasq.

use std::net::{IpAddr, Ipv6Addr};

use embedded_io_async::Read as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::{Duration, sleep, timeout};
use wavetank_stack::icmp::Pinger;
use wavetank_stack::slaac::Client;
use wavetank_stack::tcp;

use crate::shore::{self, DEVICE, KERNEL_V6, Shore, at, entropy};
use crate::table::{Outcome, demand};

pub(crate) async fn address() -> Outcome {
    let shore = Shore::bare().await?;
    let settings = format!(
        "port=0\ninterface={DEVICE}\nbind-interfaces\nuser=root\nenable-ra\ndhcp-range=fd77::,ra-only,64,10m\n\
         dhcp-option=option6:dns-server,[{KERNEL_V6}]\nra-param={DEVICE},10,600\n"
    );
    let settings = shore.file("dnsmasq.conf", &settings)?;
    let _server = shore::dnsmasq(&settings)?;
    let (stack, clock) = (shore.stack.clone(), shore.clock);
    let running = spawn_local(async move {
        let mut client = Client::new(&stack, &clock, entropy());
        let _ = client.run(|_| ()).await;
    });
    timeout(Duration::from_secs(20), shore.stack.until_configured()).await?;
    // The kernel's end answers from its link-local address only once it has made sure of that.
    sleep(Duration::from_millis(500)).await;
    let own: Vec<IpAddr> = shore.stack.addresses().map(|own| own.address()).collect();
    let expected: Ipv6Addr = "fd77::77:ff:fe00:2".parse()?;
    demand!(own.contains(&expected.into()), "{own:?}");
    demand!(shore.stack.dns_servers().eq([IpAddr::from(KERNEL_V6)]), "the name servers");
    demand!(shore.stack.routes().count() == 1, "the router");
    let mut pinger = Pinger::new(&shore.stack)?;
    pinger.ping(&shore.clock, KERNEL_V6.into(), 56, Duration::from_secs(2)).await?;
    let listener = TcpListener::bind(at(KERNEL_V6, 7002)).await?;
    let mut stream = tcp::Stream::connect(&shore.stack, at(KERNEL_V6, 7002), tcp::Options::default()).await?;
    let (mut theirs, from) = listener.accept().await?;
    demand!(from.ip() == IpAddr::from(expected), "the kernel sees {from}");
    theirs.write_all(b"ahoy").await?;
    demand!(stream.read(&mut [0; 4]).await? == 4, "no greeting");
    running.abort();
    Ok(format!("{expected}, a router and a name server"))
}
