//! The resolver against dnsmasq.

use tokio::process::Child;
use wavetank_stack::dns::{Error, Family, Options, Resolver};

use crate::shore::{self, DEVICE, KERNEL, KERNEL_V6, Shore, bound, entropy};
use crate::table::{Failure, Outcome, demand};

/// How many addresses many.lan has: too many for a datagram of 512 bytes.
const MANY: u8 = 60;

async fn dnsmasq(shore: &Shore) -> Result<Child, Failure> {
    let hosts: String = (1..=MANY).map(|i| format!("10.99.0.{i} many.lan\n")).collect();
    let hosts = shore.file("hosts", &hosts)?;
    let settings = shore.file(
        "dnsmasq.conf",
        &format!(
            "interface={DEVICE}\nbind-interfaces\nuser=root\nno-resolv\nno-hosts\naddn-hosts={hosts}\n\
             local=/lan/\nhost-record=hub.lan,{KERNEL},{KERNEL_V6},60\nhost-record=four.lan,{KERNEL}\n\
             cname=www.lan,web.lan\ncname=web.lan,hub.lan\n"
        ),
    )?;
    let server = shore::dnsmasq(&settings)?;
    bound("udp", 53).await?;
    Ok(server)
}

pub(crate) async fn names() -> Outcome {
    let shore = Shore::new().await?;
    let _server = dnsmasq(&shore).await?;
    shore.stack.set_dns_servers(&[KERNEL.into()]);
    let resolver: Resolver<'_, _, _> = Resolver::new(&shore.stack, shore.clock, entropy(), Options::default());
    for name in ["hub.lan", "www.lan"] {
        let found = resolver.resolve(name, Family::V4).await?;
        demand!(found == [KERNEL], "{name}: {found:?}");
        let found = resolver.resolve(name, Family::V6).await?;
        demand!(found == [KERNEL_V6], "{name}: {found:?}");
    }
    let nobody = resolver.resolve("nobody.lan", Family::V4).await;
    demand!(nobody == Err(Error::NoSuchName), "nobody.lan: {nobody:?}");
    let no_v6 = resolver.resolve("four.lan", Family::V6).await;
    demand!(no_v6 == Err(Error::NoAddress), "four.lan over IPv6: {no_v6:?}");
    // The first server is not there; the second is asked over IPv6.
    shore.stack.set_dns_servers(&["10.77.0.99".parse()?, KERNEL_V6.into()]);
    resolver.forget();
    let found = resolver.resolve("hub.lan", Family::Any).await?;
    demand!(found == [KERNEL], "by the second server: {found:?}");
    Ok("A, AAAA, aliases, nothing there, the second server".into())
}

pub(crate) async fn long() -> Outcome {
    let shore = Shore::new().await?;
    let _server = dnsmasq(&shore).await?;
    shore.stack.set_dns_servers(&[KERNEL.into()]);
    let resolver: Resolver<'_, _, _> = Resolver::new(&shore.stack, shore.clock, entropy(), Options::default());
    let found = resolver.resolve("many.lan", Family::V4).await?;
    demand!(found.len() == 4, "some of {MANY}: {found:?}");
    Ok(format!("{} of {MANY} addresses looked at", found.len()))
}
