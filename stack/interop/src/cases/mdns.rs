//! Our names and services and avahi's, on one link, both ways.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use tokio::process::Child;
use tokio::task::spawn_local;
use tokio::time::{Duration, sleep};
use wavetank_stack::mdns::{Event, Found, Responder, Service, browse, resolve};

use crate::shore::{DEVICE, KERNEL, OURS, Shore, entropy, read, start};
use crate::table::{Failure, Outcome, demand};

/// What runs as long as this lives: a message bus of its own, over which avahi's programs talk to its daemon.
struct Avahi {
    bus: String,
    _programs: [Child; 2],
}

impl Avahi {
    async fn new(shore: &Shore) -> Result<Self, Failure> {
        // Whether they are there is asked of the programs themselves: below they are started by another.
        read("avahi-daemon", &["--version"]).await?;
        read("avahi-browse", &["--version"]).await?;
        read("dbus-daemon", &["--version"]).await?;
        let settings = shore.file("bus.conf", "")?;
        let socket = settings.replace("bus.conf", "bus");
        let bus = shore.file(
            "bus.conf",
            &format!(
                "<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>\
                 <policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/><allow user=\"*\"/>\
                 <allow receive_sender=\"*\"/><allow send_type=\"method_call\"/></policy></busconfig>"
            ),
        )?;
        let bus = start("dbus-daemon", &[&format!("--config-file={bus}"), "--nofork"])?;
        sleep(Duration::from_millis(500)).await;
        let settings = shore.file("avahi.conf", &format!("[server]\nhost-name=shore\nallow-interfaces={DEVICE}\n"))?;
        let address = format!("DBUS_SYSTEM_BUS_ADDRESS=unix:path={socket}");
        let daemon = ["avahi-daemon", "-f", &settings, "--no-drop-root", "--no-chroot", "--no-rlimits"];
        let daemon = start("env", &[&[address.as_str()], &daemon[..]].concat())?;
        sleep(Duration::from_secs(2)).await;
        Ok(Self { bus: address, _programs: [bus, daemon] })
    }

    async fn read(&self, arguments: &[&str]) -> Result<String, Failure> {
        read("env", &[&[self.bus.as_str()], arguments].concat()).await
    }
}

/// Its programs find us.
pub(crate) async fn found() -> Outcome {
    let shore = Shore::new().await?;
    let avahi = Avahi::new(&shore).await?;
    let (stack, clock, ours) = (shore.stack.clone(), shore.clock, Rc::new(RefCell::new(None)));
    let told = ours.clone();
    let responding = spawn_local(async move {
        let page = Service { instance: "Sensor in the hall", kind: "_http._tcp", port: 80, text: &["path=/status"] };
        let services = [page];
        // avahi has this name already.
        let mut responder = Responder::new(&stack, &clock, entropy(), "shore", &services);
        let _ = responder.run(|event| *told.borrow_mut() = Some(event)).await;
    });
    sleep(Duration::from_secs(6)).await;
    demand!(*ours.borrow() == Some(Event::Ours(2)), "{:?}", ours.borrow());
    let seen = avahi.read(&["avahi-browse", "--parsable", "--terminate", "--resolve", "_http._tcp"]).await?;
    let is_ours = |line: &str| {
        line.starts_with('=')
            && line.contains("Sensor")
            && line.contains(&format!("shore-2.local;{OURS};80;\"path=/status\""))
    };
    demand!(seen.lines().any(is_ours), "avahi-browse saw {seen}");
    let name = avahi.read(&["avahi-resolve", "-4", "--name", "shore-2.local"]).await?;
    demand!(name.contains(&OURS.to_string()), "avahi-resolve says {name}");
    responding.abort();
    Ok("a service and its place; of two hosts with one name, ours took another".into())
}

/// We find what it offers.
pub(crate) async fn finds() -> Outcome {
    let shore = Shore::new().await?;
    let avahi = Avahi::new(&shore).await?;
    let publish = [avahi.bus.as_str(), "avahi-publish", "-s", "Shore page", "_ipp._tcp", "631", "a=b"];
    let _published = start("env", &publish)?;
    sleep(Duration::from_secs(2)).await;
    let mut found: Vec<Found> = Vec::new();
    browse(&shore.stack, &shore.clock, &mut entropy(), "_ipp._tcp", Duration::from_secs(4), |it| {
        found.push(it.clone());
    })
    .await?;
    let right = |it: &Found| {
        (it.instance.as_str(), it.host.as_str(), it.port, &it.text[..]) == ("Shore page", "shore", 631, b"\x03a=b")
            && it.addresses.contains(&IpAddr::from(KERNEL))
    };
    demand!(found.iter().any(right), "{found:?}");
    let addresses = resolve(&shore.stack, &shore.clock, &mut entropy(), "shore", Duration::from_secs(3)).await?;
    demand!(addresses.contains(&KERNEL.into()), "{addresses:?}");
    Ok("a service, its place and its text; a host's addresses".into())
}
