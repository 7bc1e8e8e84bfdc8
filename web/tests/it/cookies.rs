//! Cookies, and the sessions that they name.

use futures::executor::block_on;
use wavetank_web::cookies::{Cookie, Cookies, Key};
use wavetank_web::sessions::{MemorySessions, Session, Sessions};
use wavetank_web::{Answer, App, Client, Result, State};

fn ask<S: 'static>(client: &Client<S>, target: &str, cookie: &str) -> Answer {
    block_on(client.get(target).header("cookie", cookie).send()).unwrap()
}

/// What the client keeps of `Set-Cookie`.
fn kept(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[test]
fn cookies_go_out_and_come_back() {
    let mut app = App::with_state(Key::from(&[7; 64]));
    app.at("/set").get(async |mut cookies: Cookies, key: State<Key>| {
        cookies.add(Cookie::new("plain", "said before"));
        cookies.add(Cookie::build(("plain", "a b;c")).path("/").http_only(true));
        cookies.add_signed(&key, Cookie::new("signed", "me"));
        cookies.add_private(&key, Cookie::new("private", "secret"));
        (cookies, "set")
    });
    app.at("/get").get(async |cookies: Cookies, key: State<Key>| {
        let value =
            |cookie: Option<Cookie<'static>>| cookie.map_or("none".to_owned(), |cookie| cookie.value().to_owned());
        let plain = value(cookies.get("plain").cloned());
        format!("{plain} {} {}", value(cookies.signed(&key, "signed")), value(cookies.private(&key, "private")))
    });
    let client = Client::new(app.into_service().unwrap());
    let set = ask(&client, "/set", "");
    let fields: Vec<&str> = set.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(
        fields.iter().any(|field| field.starts_with("plain=a%20b%3Bc;") && field.contains("HttpOnly")),
        "{fields:?}"
    );
    // RFC 6265, 3 and 4.1.1: a field for each, and each name once.
    assert_eq!(fields.len(), 3, "{fields:?}");
    assert!(!fields.concat().contains("secret"));
    let cookies: Vec<&str> = fields.iter().map(|field| field.split(';').next().unwrap()).collect();
    assert_eq!(ask(&client, "/get", &cookies.join("; ")).text(), "a b;c me secret");
    // Only there: a private cookie's bytes are random, and may spell anything.
    let forge = |cookie: &&str| match cookie.strip_prefix("signed=").and_then(|value| value.strip_suffix("me")) {
        Some(signature) => format!("signed={signature}you"),
        None => (*cookie).to_owned(),
    };
    let forged = cookies.iter().map(forge).collect::<Vec<_>>().join("; ");
    assert_ne!(forged, cookies.join("; "));
    assert_eq!(ask(&client, "/get", &forged).text(), "a b;c none secret");
    assert_eq!(ask(&client, "/get", "; =; nonsense; plain=x").text(), "x none none");
    let apart = client.get("/get").header("cookie", "other=1").header("cookie", "plain=y");
    assert_eq!(block_on(apart.send()).unwrap().text(), "y none none", "HTTP/2 and proxies may send them apart");
}

async fn visit(session: Session) -> Result<String> {
    let visits = session.get::<u32>("visits").unwrap_or_default() + 1;
    session.set("visits", visits)?;
    Ok(visits.to_string())
}

#[test]
fn sessions_remember_their_clients() {
    let mut next = 0;
    let fill = move |bytes: &mut [u8]| {
        next += 1;
        bytes.fill(next);
    };
    let mut app = App::new();
    app.with(Sessions::new(MemorySessions::new(2), fill));
    app.at("/visit").get(visit);
    app.at("/login").get(async |session: Session| session.renew());
    app.at("/logout").get(async |session: Session| session.clear());
    app.at("/idle").get(async |session: Session| session.get::<u32>("visits").unwrap_or_default().to_string());
    let client = Client::new(app.into_service().unwrap());
    let first = ask(&client, "/visit", "");
    let set = first.header("set-cookie");
    assert!(["HttpOnly", "Secure", "SameSite=Lax", "Path=/"].iter().all(|field| set.contains(field)), "{set}");
    let name = kept(&first);
    let second = ask(&client, "/visit", &name);
    assert_eq!((second.text().as_str(), second.header("set-cookie")), ("2", ""));
    assert_eq!(ask(&client, "/idle", "").header("set-cookie"), "", "nothing to remember, no cookie");
    assert_ne!(kept(&ask(&client, "/visit", "session=chosen-by-the-client")), "session=chosen-by-the-client");

    let renamed = kept(&ask(&client, "/login", &name));
    assert_ne!(renamed, name);
    assert_eq!((ask(&client, "/idle", &renamed).text(), ask(&client, "/idle", &name).text()), ("2".into(), "0".into()));
    assert_eq!(kept(&ask(&client, "/logout", &renamed)), "session=");
    assert_eq!(ask(&client, "/idle", &renamed).text(), "0");

    let mut other = App::new();
    other.with(Sessions::new(MemorySessions::new(2), |bytes: &mut [u8]| bytes.fill(9)).named("__Host-desk"));
    other.at("/visit").get(visit);
    let other = Client::new(other.into_service().unwrap());
    let both = format!("{name}; {}", kept(&ask(&other, "/visit", "")));
    assert!(both.contains("; __Host-desk="), "{both}");
    assert_eq!(ask(&other, "/visit", &both).text(), "2", "each knows its own");

    let names: Vec<String> = (0..3).map(|_| kept(&ask(&client, "/visit", ""))).collect();
    let known: Vec<String> = names.iter().map(|name| ask(&client, "/idle", name).text()).collect();
    assert_eq!(known, ["0", "1", "1"], "the oldest is forgotten");
}
