use wavetank_web::App;

async fn device() -> Result<String, String> {
    Err("there is none".to_owned())
}

fn main() {
    let mut app = App::new();
    app.at("/").get(device);
}
