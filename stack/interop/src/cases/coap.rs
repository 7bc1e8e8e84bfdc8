//! CoAP against libcoap's client and server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::task::spawn_local;
use tokio::time::{Duration, sleep, timeout};
use wavetank_stack::coap::{Answer, Asked, Client, Code, Error, Options, PORT, Request, Resource, Server, serve};

use crate::shore::{KERNEL, OURS, Shore, at, bound, entropy, read, start};
use crate::table::{Outcome, demand};

const CLIENT: &str = "coap-client-notls";
const LONG: usize = 2_500;

fn text(len: usize) -> String {
    (0..len).map(|i| char::from(b'a' + (i * 7 % 26) as u8)).collect()
}

pub(crate) async fn client() -> Outcome {
    let shore = Shore::new().await?;
    let _server = start("coap-server-notls", &["-A", &KERNEL.to_string(), "-d", "10"])?;
    bound("udp", PORT).await?;
    let server = at(KERNEL, PORT);
    let mut client = Client::new(&shore.stack, shore.clock, entropy(), Options::default())?;
    let mut buffer = [0; 4_096];
    let root = client.request(server, &Request::get(""), &mut buffer).await?;
    demand!(root.code == Code::CONTENT && root.len > 0, "the root: {root:?}");
    let book = text(LONG);
    let put = client.request(server, &Request::put("book", 0, book.as_bytes()), &mut buffer).await?;
    demand!(put.code == Code::CREATED, "put in blocks: {put:?}");
    let got = client.request(server, &Request::get("book"), &mut buffer).await?;
    demand!(buffer[..got.len] == *book.as_bytes(), "read in blocks: {got:?}");
    let nowhere = client.request(server, &Request::get("nowhere"), &mut buffer).await?;
    demand!(nowhere.code == Code::NOT_FOUND, "nowhere: {nowhere:?}");
    // An answer that comes a second after its acknowledgement.
    let late = client.request(server, &Request::get("async"), &mut buffer).await?;
    demand!(late.code.is_success(), "a separate response: {late:?}");
    let (mut observation, _) = client.observe(server, "time", &mut buffer).await?;
    for _ in 0..2 {
        let news = timeout(Duration::from_secs(5), client.next(&mut observation, &mut buffer)).await??;
        demand!(news.code == Code::CONTENT && news.len > 0, "news of the time: {news:?}");
    }
    client.forget(observation, "time", &mut buffer).await?;
    let refused = Client::new(&shore.stack, shore.clock, entropy(), Options::default())?
        .request(at(KERNEL, 9), &Request::get("x"), &mut buffer)
        .await;
    demand!(matches!(refused, Err(Error::NotSent(_))), "nobody there: {refused:?}");
    Ok("get, put, blocks both ways, a late answer, news".into())
}

/// A text that can be replaced, and a number that grows.
#[derive(Clone, Default)]
struct Shelf {
    book: Rc<RefCell<Vec<u8>>>,
    number: Rc<Cell<u32>>,
}

impl Resource for Shelf {
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer {
        if asked.message.is_at("number") {
            let number = self.number.get().to_string();
            buffer[..number.len()].copy_from_slice(number.as_bytes());
            return Answer { code: Code::CONTENT, format: Some(0), len: number.len(), observable: true };
        }
        match asked.method {
            _ if !asked.message.is_at("book") => Answer::just(Code::NOT_FOUND),
            Code::PUT => {
                *self.book.borrow_mut() = asked.payload.to_vec();
                Answer::just(Code::CHANGED)
            }
            Code::GET => {
                let book = self.book.borrow();
                buffer[..book.len()].copy_from_slice(&book);
                Answer { code: Code::CONTENT, format: Some(0), len: book.len(), observable: false }
            }
            _ => Answer::just(Code::METHOD_NOT_ALLOWED),
        }
    }

    fn edition(&self) -> u32 {
        self.number.get()
    }
}

pub(crate) async fn server() -> Outcome {
    let shore = Shore::new().await?;
    let shelf = Shelf::default();
    let (stack, clock, served) = (shore.stack.clone(), shore.clock, shelf.clone());
    let serving = spawn_local(async move {
        let mut server = Server::<_, 4_096>::new(served, 1);
        let _ = serve(&stack, &clock, &mut server, || sleep(Duration::from_millis(20))).await;
    });
    let uri = |path: &str| format!("coap://{OURS}/{path}");
    let book = text(LONG);
    let file = shore.file("book", &book)?;
    read(CLIENT, &["-B", "5", "-b", "256", "-m", "put", "-f", &file, &uri("book")]).await?;
    demand!(*shelf.book.borrow() == book.as_bytes(), "{} bytes came", shelf.book.borrow().len());
    let got = read(CLIENT, &["-B", "5", "-m", "get", &uri("book")]).await?;
    demand!(got.trim() == book, "libcoap read {} bytes", got.trim().len());
    let nowhere = read(CLIENT, &["-B", "5", "-m", "get", &uri("nowhere")]).await?;
    demand!(nowhere.contains("4.04"), "nowhere: {nowhere}");
    let growing = spawn_local(async move {
        loop {
            sleep(Duration::from_millis(500)).await;
            shelf.number.set(shelf.number.get() + 1);
        }
    });
    let news = read(CLIENT, &["-B", "4", "-s", "3", "-m", "get", &uri("number")]).await?;
    growing.abort();
    serving.abort();
    for number in ["0", "1", "2", "3"] {
        demand!(news.contains(number), "libcoap was not told {number}: {news}");
    }
    Ok(format!("put and get in blocks, news: {}", news.split_whitespace().collect::<Vec<_>>().join(" ")))
}
