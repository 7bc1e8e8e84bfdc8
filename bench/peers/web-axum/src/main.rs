//! Serves the works of `benches/web.rs` by axum, on one thread. It prints its address, and ends with its standard input.

use axum::serve::ListenerExt as _;
use tokio::io::AsyncReadExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
    let serving = axum::serve(listener, peer_web_axum::app());
    tokio::select! {
        served = serving => served,
        _ = ended() => Ok(()),
    }
}

async fn ended() {
    let mut input = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut input).await;
}
