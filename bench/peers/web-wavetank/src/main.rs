//! Serves the works of `benches/web.rs` by wavetank-web, on one thread. It prints its address, and ends with its standard input.

use std::error::Error;

use tokio::io::AsyncReadExt as _;
use wavetank_web::tokio::{TokioListener, TokioRuntime};
use wavetank_web::{Options, serve_with};

fn main() -> Result<(), Box<dyn Error>> {
    let service = peer_web_wavetank::app().into_service()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TokioListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let options = Options { connections_max: 20_000, ..Options::default() };
        serve_with(options, listener, service, TokioRuntime, ended()).await;
        Ok(())
    })
}

async fn ended() {
    let mut input = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut input).await;
}
