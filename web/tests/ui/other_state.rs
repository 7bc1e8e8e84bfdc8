use wavetank_web::{App, Request};

async fn device(request: Request<Vec<u32>>) -> String {
    request.state().len().to_string()
}

fn main() {
    let mut app = App::with_state("text");
    app.at("/").get(device);
}
