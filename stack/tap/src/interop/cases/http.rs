//! Our HTTP client against nginx.

use tokio::process::Child;
use tokio::time::{Duration, sleep};
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::tcp;

use crate::shore::{KERNEL, Shore, at, start};
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
         server {{ listen {KERNEL}:80; location / {{ root {folder}; ssi on; ssi_types *; }} }}\n}}\n"
    );
    let settings = shore.file("nginx.conf", &settings)?;
    let server = start("nginx", &["-c", &settings])?;
    sleep(Duration::from_millis(500)).await;
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
