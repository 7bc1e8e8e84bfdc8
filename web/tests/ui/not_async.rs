use wavetank_web::App;

fn main() {
    let mut app = App::new();
    app.at("/").get(|| "tide");
}
