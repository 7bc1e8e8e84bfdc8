//! Files, forms with files, and events.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use wavetank_web::{
    App, Asset, Body, BoxError, Client, Files, Multipart, Params, Pieces, Request, Result, Sse, SseEvent, State,
};

use crate::support::Clock;

fn files() -> (tempfile::TempDir, Client) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("public");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("a b.txt"), "0123456789").unwrap();
    fs::write(root.join("sub/index.html"), "<p>index</p>").unwrap();
    fs::write(root.join("large.bin"), vec![7; 200_000]).unwrap();
    fs::write(root.join(".hidden"), "secret").unwrap();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), root.join("link.txt")).unwrap();
    let mut app = App::new();
    app.at("/files/*path").get(Files::new(&root).unwrap().handler());
    app.at("/style.css").get(async |request: Request| {
        static STYLE: Asset = Asset::new("text/css", b"body{}", "\"1\"");
        STYLE.respond(&request)
    });
    (folder, Client::new(app.into_service().unwrap()))
}

#[test]
fn files_are_served_whole_in_part_or_not_again() {
    let (_folder, client) = files();
    let get = |target: &str, name: &'static str, value: &str| {
        block_on(client.get(target).header(name, value).send()).unwrap()
    };
    let whole = get("/files/a%20b.txt", "accept", "*/*");
    assert_eq!((whole.status.as_u16(), whole.text().as_str()), (200, "0123456789"));
    assert_eq!((whole.header("content-length"), whole.header("accept-ranges")), ("10", "bytes"));
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    let (tag, date) = (whole.header("etag"), whole.header("last-modified"));
    assert_eq!(get("/files/a%20b.txt", "if-none-match", tag).status, 304);
    assert_eq!(get("/files/a%20b.txt", "if-modified-since", date).status, 304);
    assert_eq!(get("/files/a%20b.txt", "if-match", "\"x\"").status, 412);
    let part = get("/files/a%20b.txt", "range", "bytes=2-4");
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let none = get("/files/a%20b.txt", "range", "bytes=10-");
    assert_eq!((none.status.as_u16(), none.header("content-range")), (416, "bytes */10"));
    let asking = client.get("/files/a%20b.txt").header("range", "bytes=2-4").header("if-range", "\"other\"");
    assert_eq!(block_on(asking.send()).unwrap().status, 200);
    assert_eq!(get("/files/sub/", "accept", "*/*").text(), "<p>index</p>");
    // What a page refers to lies below it, if its address ends as a folder's does.
    for (target, to) in [("/files/sub", "/files/sub/"), ("/files/sub?a=1", "/files/sub/?a=1")] {
        let elsewhere = get(target, "accept", "*/*");
        assert_eq!((elsewhere.status.as_u16(), elsewhere.header("location")), (308, to));
    }
    for nothing in ["/files/a%20b.txt/", "/files/sub//", "/files//sub/", "/files/sub//index.html", "/files/nothing/"] {
        assert_eq!(get(nothing, "accept", "*/*").status, 404, "{nothing}");
    }
    assert_eq!(get("/files/large.bin", "range", "bytes=-70000").body.len(), 70_000);
    assert_eq!(get("/files/large.bin", "accept", "*/*").body, vec![7; 200_000]);
    let head = block_on(client.head("/files/large.bin").send()).unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), ("200000", 0));
    let asset = get("/style.css", "range", "bytes=4-");
    assert_eq!((asset.status.as_u16(), asset.text().as_str()), (206, "{}"));
}

#[test]
fn no_path_leads_out_of_its_folder() {
    let (_folder, client) = files();
    for path in [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "sub/../../secret.txt",
        "..%2fsecret.txt",
        "%2fetc/passwd",
        "sub/%2e%2e/%2e%2e/secret.txt",
        ".hidden",
        "%2ehidden",
        "link.txt",
        "a%00b.txt",
        "..%5csecret.txt",
        "%ff",
        "c:",
        "sub/./index.html",
        "nothing",
    ] {
        let answer = block_on(client.get(&format!("/files/{path}")).send()).unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("secret"), "{path}");
    }
}

async fn list(mut form: Multipart) -> Result<String> {
    let mut listed = String::new();
    while let Some(mut part) = form.next().await? {
        if part.name() == "skipped" {
            continue;
        }
        let (name, file) = (part.name().to_owned(), part.file_name().unwrap_or("none").to_owned());
        let kind = part.content_type().unwrap_or("none").to_owned();
        let bytes = part.bytes(1_000).await?;
        listed += &format!("{name} {file} {kind} {}\n", String::from_utf8_lossy(&bytes));
    }
    Ok(listed)
}

fn upload(content_type: &str, body: &str, step: usize) -> (u16, String) {
    let mut app = App::new();
    app.at("/").post(list);
    let client = Client::new(app.into_service().unwrap());
    let pieces: Vec<_> =
        body.as_bytes().chunks(step).map(|piece| Ok::<_, BoxError>(Bytes::copy_from_slice(piece))).collect();
    let asking = client.post("/").header("content-type", content_type).body(Body::from_stream(stream::iter(pieces)));
    let answer = block_on(asking.send()).unwrap();
    (answer.status.as_u16(), answer.text())
}

const FORM: &str = "multipart/form-data; boundary=\"-x\"";

#[test]
fn forms_are_read_however_they_are_cut() {
    let body = "preamble\r\n---x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--\r\n-\r\n\
                ---x \r\nContent-Disposition: form-data; name=skipped\r\n\r\nanything\r\n\
                ---x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"ü.txt\"\r\ncontent-type: text/plain\r\n\r\n\r\n\
                ---x--\r\nepilogue";
    for step in [1, 2, 3, 5, 7, 11, 64, 1_000] {
        let expected = "a none none 1\r\n--\r\n-\nf ü.txt text/plain \n";
        assert_eq!(upload(FORM, body, step), (200, expected.into()), "{step}");
    }
    assert_eq!(upload(FORM, "---x--", 3), (200, String::new()));
}

#[test]
fn forms_that_are_none_are_told_so() {
    assert_eq!(upload("text/plain", "", 9).0, 415);
    assert_eq!(upload("multipart/form-data", "", 9).0, 400);
    let part = "---x\r\ncontent-disposition: form-data; name=a\r\n\r\n";
    for wrong in [
        "",
        "nothing",
        "---x",
        "---xy\r\n\r\n",
        "---x\r\n\r\n\r\n",
        part,
        "---x\r\nno colon\r\n\r\n",
        "---x\r\ncontent-disposition: form-data\r\n\r\n\r\n---x--",
        "---x\r\ncontent-disposition: attachment; name=a\r\n\r\n\r\n---x--",
    ] {
        assert_eq!(upload(FORM, wrong, 9).0, 400, "{wrong:?}");
    }
    assert_eq!(upload(FORM, &format!("{part}{}\r\n---x--", "y".repeat(1_001)), 99).0, 413);
    assert_eq!(upload(FORM, &format!("{}---x--", format!("{part}\r\n").repeat(1_001)), 999).0, 413);
    assert_eq!(upload(FORM, &format!("---x\r\n{}", "a: b\r\n".repeat(2_000)), 999).0, 400);
}

#[test]
fn events_are_sent_as_they_happen() {
    let clock = Clock::new();
    let timer = clock.clone();
    let mut app = App::with_state(timer);
    app.at("/").get(async |timer: State<Clock>| {
        let events = [
            SseEvent::new("two\nlines").named("greeting").id("7\n8"),
            SseEvent::new("a\r\nb\rc\n\r\nd\r"),
            SseEvent::new("{}").retry(Duration::from_secs(3)),
        ];
        Sse::new(stream::iter(events).chain(stream::pending())).keep_alive((*timer).clone(), Duration::from_secs(15))
    });
    let client = Client::new(app.into_service().unwrap());
    let response = block_on(client.get("/").stream());
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut next = || {
        let frame = futures::FutureExt::now_or_never(body.frame())?;
        Some(String::from_utf8(frame.unwrap().unwrap().into_data().unwrap().into()).unwrap())
    };
    assert_eq!(next().unwrap(), "data: two\ndata: lines\nevent: greeting\nid: 78\n\n");
    // The HTML standard, 9.2.5: a line ends by a carriage return, a line feed, or both.
    assert_eq!(next().unwrap(), "data: a\ndata: b\ndata: c\ndata: \ndata: d\ndata: \n\n");
    assert_eq!(next().unwrap(), "data: {}\nretry: 3000\n\n");
    assert_eq!(next(), None);
    clock.advance(Duration::from_secs(15));
    assert_eq!(next().unwrap(), ":\n\n");
    assert_eq!(next(), None);
}

#[test]
fn pieces_are_read_as_they_are_taken() {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let mut app = App::new();
    let seen = Rc::clone(&asked);
    app.at("/:length").get(move |Params(length): Params<u64>, request: Request| {
        let seen = Rc::clone(&seen);
        let pieces = Pieces::new("application/octet-stream", length, "\"1\"", move |first, count| {
            seen.borrow_mut().push((first, count));
            if first >= 200_000 {
                return Err("there is no more".into());
            }
            Ok(vec![7; count.min(50_000)].into())
        });
        std::future::ready(pieces.respond(&request))
    });
    let client = Client::new(app.into_service().unwrap());
    let get = |path: &str, range: &str| block_on(client.get(path).header("range", range).send());
    let part = get("/1000000000000", "bytes=10-19").unwrap();
    assert_eq!(
        (part.status.as_u16(), part.body.len(), part.header("content-range")),
        (206, 10, "bytes 10-19/1000000000000")
    );
    assert_eq!(asked.take(), [(10, 10)], "no more than is wanted");
    let whole = get("/120000", "").unwrap();
    assert_eq!((whole.status.as_u16(), whole.body.len(), whole.header("content-length")), (200, 120_000, "120000"));
    assert_eq!(asked.take(), [(0, 65_536), (50_000, 65_536), (100_000, 20_000)]);
    assert_eq!(get("/250000", "bytes=200000-").unwrap().status, 500, "what cannot be begun is an error");
    assert!(get("/250000", "bytes=100000-").is_err(), "and what breaks off is broken off");
    assert_eq!(get("/0", "").unwrap().body.len(), 0);
    asked.take();
    assert_eq!(block_on(client.head("/120000").send()).unwrap().header("content-length"), "120000");
    assert_eq!(asked.take(), [], "HEAD reads nothing");
}
