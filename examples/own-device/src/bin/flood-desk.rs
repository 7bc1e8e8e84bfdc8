//! The desk as the town hall runs it: the same router, on a real socket.
//!
//! `cargo run -p own-device --bin flood-desk -- 127.0.0.1:8080`

use std::io;

use own_device::server::{Desk, router};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

fn main() -> io::Result<()> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(&listen).await?;
        println!("the flood desk listens on http://{}/gauges", listener.local_addr()?);
        axum::serve(listener, router(Desk::new(()))).await
    })
}
