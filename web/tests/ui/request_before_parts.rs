use wavetank_web::{App, Json, Request};

async fn device(_: Request, Json(name): Json<String>) -> String {
    name
}

fn main() {
    let mut app = App::new();
    app.at("/").post(device);
}
