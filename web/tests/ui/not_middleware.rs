use wavetank_web::App;

struct Logs;

fn main() {
    let mut app = App::new();
    app.with(Logs);
}
