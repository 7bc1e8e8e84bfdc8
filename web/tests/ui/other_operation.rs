use wavetank_web::openapi::{Asked, Operation};
use wavetank_web::{App, Result, State};

const DOUBLE: Operation<u32, (), (), u64> = Operation::get("/double/:n");

async fn double(_: State<()>, asked: Asked<u32>) -> Result<String> {
    Ok((asked.params * 2).to_string())
}

fn main() {
    let mut app = App::new();
    app.answer(&DOUBLE, double);
}
