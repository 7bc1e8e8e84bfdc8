use wavetank_web::{App, Params, Request, WithParts, WithPartsAndRequest, WithoutRequest};

struct Device;

async fn device(Params(_): Params<u32>, index: usize) -> String {
    index.to_string()
}

async fn devices(_: Device, _: Request) {}

async fn newest() -> Device {
    Device
}

fn main() {
    let mut app = App::new();
    app.at("/:id").get::<WithParts<(_, _)>>(device);
    app.at("/").get::<WithPartsAndRequest<(_,)>>(devices);
    app.at("/newest").get::<WithoutRequest>(newest);
}
