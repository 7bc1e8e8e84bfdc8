//! Our HTTP client against nginx.

use embedded_io_async::Write as _;
use tokio::process::Child;
use tokio::task::spawn_local;
use wavetank_stack::http::server::{Answer, ServeOptions, serve};
use wavetank_stack::http::{Condition, Connection, ContentRange, Method, Part, Range, Request};
use wavetank_stack::tcp;

use crate::shore::{KERNEL, OURS, Shore, at, bound, read, start};
use crate::table::{Failure, Outcome, demand};

const LONG: usize = 100_000;

async fn nginx(shore: &Shore) -> Result<Child, Failure> {
    let text: String = (0..LONG).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
    let book = shore.file("book", &text)?;
    let folder = book.trim_end_matches("/book");
    let settings = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 16; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  gzip off;\n\
         proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n\
         scgi_temp_path {folder}/scgi;\n\
         server {{ listen {KERNEL}:80; location / {{ root {folder}; ssi on; ssi_types *; }}\n\
         location = /plain {{ alias {book}; }}\n\
         location = /log {{ proxy_pass http://{KERNEL}:81; }} }}\n\
         server {{ listen {KERNEL}:81; location / {{ return 200 $content_length; }} }}\n}}\n"
    );
    let settings = shore.file("nginx.conf", &settings)?;
    let server = start("nginx", &["-c", &settings])?;
    bound("tcp", 81).await?;
    Ok(server)
}

pub(crate) async fn requests() -> Outcome {
    let shore = Shore::new().await?;
    let _server = nginx(&shore).await?;
    let stream = tcp::Stream::connect(&shore.stack, at(KERNEL, 80), tcp::Options::default()).await?;
    let mut head = [0; 1_024];
    let mut connection = Connection::new(stream, &mut head);
    let mut body = vec![0; 2 * LONG];
    for round in 0..3 {
        let mut response = connection
            .send(&Request::get("/book", "tank"))
            .await
            .map_err(|error| Failure::Told(format!("round {round}: {error}")))?;
        demand!(response.status() == 200, "status {}", response.status());
        let chunked = response.header("Transfer-Encoding").is_some();
        demand!(chunked, "nginx's inclusions make it chunked");
        let got = response.read_to_end(&mut body).await.map_err(|error| Failure::Told(error.to_string()))?;
        let right = got.iter().enumerate().all(|(i, &byte)| byte == b'a' + (i % 26) as u8);
        demand!(got.len() == LONG && right, "{} bytes came", got.len());
    }
    let mut nowhere =
        connection.send(&Request::get("/nowhere", "tank")).await.map_err(|error| Failure::Told(error.to_string()))?;
    demand!(nowhere.status() == 404, "status {}", nowhere.status());
    nowhere.drain().await.map_err(|error| Failure::Told(error.to_string()))?;
    demand!(connection.is_ready(), "the connection was kept open");
    Ok(format!("3 × {LONG} bytes in chunks and a 404 over one connection"))
}

/// A download that breaks off and goes on, a look whether there is news, and a body in chunks.
pub(crate) async fn parts() -> Outcome {
    const FIRST: usize = 30_000;
    let told = |error: &dyn std::fmt::Display| Failure::Told(error.to_string());
    let shore = Shore::new().await?;
    let _server = nginx(&shore).await?;
    let (mut head, mut book) = ([0; 1_024], vec![0; LONG]);
    let tag = {
        let stream = tcp::Stream::connect(&shore.stack, at(KERNEL, 80), tcp::Options::default()).await?;
        let mut connection = Connection::new(stream, &mut head);
        let mut response = connection.send(&Request::get("/plain", "tank")).await.map_err(|error| told(&error))?;
        let mut len = 0;
        while len < FIRST {
            len += response.read(&mut book[len..FIRST]).await.map_err(|error| told(&error))?;
        }
        response.etag().ok_or_else(|| Failure::Told("no entity tag".into()))?.to_owned()
    };
    let stream = tcp::Stream::connect(&shore.stack, at(KERNEL, 80), tcp::Options::default()).await?;
    let mut connection = Connection::new(stream, &mut head);
    let rest = Request::get("/plain", "tank").with_range(Range::From(FIRST as u64));
    let mut response =
        connection.send(&rest.with_condition(Condition::IfRange(&tag))).await.map_err(|error| told(&error))?;
    let piece = ContentRange { first: FIRST as u64, last: LONG as u64 - 1, complete: Some(LONG as u64) };
    demand!(response.part() == Ok(Part::Piece(piece)), "{:?}", response.part());
    response.read_to_end(&mut book[FIRST..]).await.map_err(|error| told(&error))?;
    let right = book.iter().enumerate().all(|(i, &byte)| byte == b'a' + (i % 26) as u8);
    demand!(right, "the two parts do not make the book");
    for (request, expected) in [
        (rest.with_condition(Condition::IfRange("\"another\"")), Part::Whole),
        (Request::get("/plain", "tank").with_condition(Condition::IfNoneMatch(&tag)), Part::Unchanged),
        (Request::get("/plain", "tank").with_range(Range::From(LONG as u64)), Part::Beyond(Some(LONG as u64))),
    ] {
        let mut response = connection.send(&request).await.map_err(|error| told(&error))?;
        demand!(response.part() == Ok(expected), "{:?} instead of {expected:?}", response.part());
        response.drain().await.map_err(|error| told(&error))?;
    }
    let request = Request::new(Method::Post, "/log", "tank");
    let mut upload = connection.begin(&request, None).await.map_err(|error| told(&error))?;
    for piece in book.chunks(777) {
        upload.write_all(piece).await.map_err(|error| told(&error))?;
    }
    let mut response = upload.finish().await.map_err(|error| told(&error))?;
    let mut answer = [0; 32];
    let answer = response.read_to_end(&mut answer).await.map_err(|error| told(&error))?;
    demand!(answer == LONG.to_string().as_bytes(), "nginx counted {}", String::from_utf8_lossy(answer));
    demand!(connection.is_ready(), "the connection was kept open");
    // Last, because nginx closes after this answer without having said so.
    let changed = Request::get("/plain", "tank").with_condition(Condition::IfMatch("\"another\""));
    let response = connection.send(&changed).await.map_err(|error| told(&error))?;
    demand!(response.part() == Ok(Part::Changed), "{:?} instead of a failed condition", response.part());
    Ok(format!("{FIRST} bytes and the rest by a range; four conditions; {LONG} bytes sent in chunks"))
}

/// A page about a device, fetched by curl.
pub(crate) async fn server() -> Outcome {
    let shore = Shore::new().await?;
    let (stack, clock) = (shore.stack.clone(), shore.clock);
    let serving = spawn_local(async move {
        let Ok(listener) = tcp::Listener::bind(&stack, 80, 4, tcp::Options::default()) else {
            return;
        };
        let mut buffer = [0; 1_024];
        serve(&listener, &clock, &mut buffer, &ServeOptions::default(), async |mut asked| match asked.path() {
            "/status" => asked.answer(&Answer::new(200, "application/json", br#"{"celsius":21.5}"#)).await,
            "/log" => {
                let (mut scrap, mut len) = ([0; 256], 0);
                while let Ok(count @ 1..) = asked.read(&mut scrap).await {
                    len += count;
                }
                asked.answer(&Answer::new(200, "text/plain", len.to_string().as_bytes())).await
            }
            "/book" => {
                let mut reply = asked.begin(&Answer::new(200, "text/plain", b"")).await?;
                for _ in 0..LONG / 100 {
                    // What goes wrong shows when it is finished.
                    let _ = reply.write_all(&[b'x'; 100]).await;
                }
                reply.finish().await
            }
            _ => asked.answer(&Answer::new(404, "text/plain", b"nothing")).await,
        })
        .await;
    });
    let url = |path: &str| format!("http://{OURS}{path}");
    let told = read("curl", &["--silent", "--show-error", &url("/status"), &url("/nowhere")]).await?;
    demand!(told == r#"{"celsius":21.5}nothing"#, "curl was told {told}");
    let book = read("curl", &["--silent", "--show-error", &url("/book")]).await?;
    demand!(book.len() == LONG, "{} bytes came", book.len());
    let file = shore.file("book", &book)?;
    for how in ["Transfer-Encoding: chunked", "Expect: 100-continue"] {
        let data = format!("@{file}");
        let counted =
            read("curl", &["--silent", "--show-error", "-H", how, "--data-binary", &data, &url("/log")]).await?;
        demand!(counted == LONG.to_string(), "{how}: {counted} bytes counted");
    }
    let headers = read("curl", &["--silent", "--show-error", "--head", &url("/status")]).await?;
    demand!(headers.contains("Content-Length: 16"), "{headers}");
    serving.abort();
    Ok(format!("two requests on one connection, {LONG} bytes each way, HEAD"))
}
