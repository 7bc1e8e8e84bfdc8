use wavetank_web::App;

struct Device;

async fn device() -> Device {
    Device
}

fn main() {
    let mut app = App::new();
    app.at("/").get(device);
}
