use wavetank_web::{App, Params};

async fn device(Params(_): Params<u32>, index: usize) -> String {
    index.to_string()
}

fn main() {
    let mut app = App::new();
    app.at("/:id").get(device);
}
