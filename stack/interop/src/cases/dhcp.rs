//! The DHCP client against dnsmasq.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use embedded_io_async::Read as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Duration, sleep, timeout};
use wavetank_stack::dhcp::{Client, Event, Lease, Options};
use wavetank_stack::tcp;

use crate::shore::{self, DEVICE, KERNEL, Shore, at, bound, entropy, ip};
use crate::table::{Failure, Outcome, demand};

/// Starts dnsmasq with that range and further settings.
async fn dnsmasq(shore: &Shore, range: &str, more: &[&str]) -> Result<Child, Failure> {
    let leases = shore.file("leases", "")?;
    let settings = format!(
        "port=0\ninterface={DEVICE}\nbind-interfaces\nuser=root\nno-ping\ndhcp-authoritative\n\
         dhcp-leasefile={leases}\ndhcp-range={range}\n{}\n",
        more.join("\n")
    );
    let settings = shore.file("dnsmasq.conf", &settings)?;
    let server = shore::dnsmasq(&settings)?;
    bound("udp", 67).await?;
    Ok(server)
}

/// A client that runs beside the case, and what it has told.
struct Running {
    events: Rc<RefCell<Vec<Event>>>,
    task: JoinHandle<()>,
}

impl Running {
    fn new(shore: &Shore, options: Options<'static>) -> Self {
        let events = Rc::new(RefCell::new(Vec::new()));
        let (stack, clock, told) = (shore.stack.clone(), shore.clock, Rc::clone(&events));
        let task = spawn_local(async move {
            let mut client = Client::new(&stack, &clock, entropy(), options);
            let _ = client.run(|event| told.borrow_mut().push(event)).await;
        });
        Self { events, task }
    }

    /// Waits for an event that `wanted` takes.
    async fn until<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> Result<T, Failure> {
        let look = async {
            loop {
                if let Some(found) = self.events.borrow().iter().find_map(&wanted) {
                    return found;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        let found = timeout(Duration::from_secs(25), look).await;
        found.map_err(|_| Failure::Told(format!("not {what} within 25 s: {:?}", self.events.borrow())))
    }

    async fn bound(&self) -> Result<Lease, Failure> {
        self.until("bound", |event| match event {
            Event::Bound(lease) => Some(lease.clone()),
            _ => None,
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn v4(lease: &Lease) -> Ipv4Addr {
    match lease.address.address() {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

pub(crate) async fn lease() -> Outcome {
    let shore = Shore::bare().await?;
    let more = ["dhcp-option=option:dns-server,10.77.0.1", "dhcp-option=option:ntp-server,10.77.0.1"];
    let _server = dnsmasq(&shore, "10.77.0.50,10.77.0.60,255.255.255.0,1h", &more).await?;
    let mut options = Options::default();
    options.host_name = Some("thermostat-7");
    let client = Running::new(&shore, options);
    let lease = client.bound().await?;
    demand!((50..=60).contains(&v4(&lease).octets()[3]), "an address from elsewhere: {lease:?}");
    demand!(lease.address.prefix() == 24, "the prefix: {lease:?}");
    demand!(lease.router == Some(KERNEL), "the router: {lease:?}");
    demand!(lease.dns == [KERNEL] && lease.ntp == [KERNEL], "the servers: {lease:?}");
    demand!(shore.stack.dns_servers().eq([IpAddr::from(KERNEL)]), "the stack's name servers");
    let listener = TcpListener::bind(at(KERNEL, 7001)).await?;
    let mut stream = tcp::Stream::connect(&shore.stack, at(KERNEL, 7001), tcp::Options::default()).await?;
    let (mut theirs, from) = listener.accept().await?;
    demand!(from.ip() == lease.address.address(), "the kernel sees {from}");
    theirs.write_all(b"ahoy").await?;
    let mut ahoy = [0; 4];
    demand!(stream.read(&mut ahoy).await? == 4, "no greeting");
    // In the next life it asks for the same address first.
    drop(client);
    let lost = stream.read(&mut ahoy).await;
    demand!(lost == Err(tcp::Error::AddressLost), "the connection outlived its address: {lost:?}");
    let mut options = Options::default();
    options.previous = Some(v4(&lease));
    let again = Running::new(&shore, options).bound().await?;
    demand!(again.address == lease.address, "another address after a restart: {again:?}");
    Ok(format!("{}, by {}; the same after a restart", lease.address, lease.server))
}

pub(crate) async fn renewed_and_refused() -> Outcome {
    let shore = Shore::bare().await?;
    let timers = ["dhcp-option-force=option:T1,3", "dhcp-option-force=option:T2,60"];
    let server = dnsmasq(&shore, "10.77.0.50,10.77.0.50,255.255.255.0,2m", &timers).await?;
    let client = Running::new(&shore, Options::default());
    let first = client.bound().await?;
    let renewed = client
        .until("renewed", |event| match event {
            Event::Renewed(lease) => Some(lease.clone()),
            _ => None,
        })
        .await?;
    demand!(renewed.address == first.address && renewed.expires_at > first.expires_at, "{first:?}, then {renewed:?}");
    drop(server);
    let _server = dnsmasq(&shore, "10.77.0.90,10.77.0.90,255.255.255.0,2m", &timers).await?;
    client.until("refused", |event| (*event == Event::Refused).then_some(())).await?;
    let other = client
        .until("bound anew", |event| match event {
            Event::Bound(lease) if lease.address != first.address => Some(lease.clone()),
            _ => None,
        })
        .await?;
    demand!(shore.stack.addresses().any(|own| own == other.address), "the stack has another address");
    demand!(!shore.stack.addresses().any(|own| own == first.address), "the stack kept what was refused");
    Ok(format!("{}, renewed, refused, then {}", first.address, other.address))
}

pub(crate) async fn conflict() -> Outcome {
    let shore = Shore::bare().await?;
    ip(&["address", "add", "10.77.0.50/32", "dev", DEVICE]).await?;
    let _server = dnsmasq(&shore, "10.77.0.50,10.77.0.51,255.255.255.0,2m", &["dhcp-sequential-ip"]).await?;
    let client = Running::new(&shore, Options::default());
    let (address, _) = client
        .until("a conflict", |event| match *event {
            Event::Conflict { address, rival } => Some((address, rival)),
            _ => None,
        })
        .await?;
    demand!(address == Ipv4Addr::new(10, 77, 0, 50), "a conflict about {address}");
    let lease = client.bound().await?;
    Ok(format!("{address} declined, then {}", lease.address))
}
