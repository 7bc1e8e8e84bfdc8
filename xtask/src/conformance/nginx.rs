//! nginx as a proxy in front: what it passes on, over connections that it keeps, and sockets through it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Case, Ground, curl, sockets};
use crate::Outcome;

pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    let home = ground.folder.join("nginx");
    std::fs::create_dir_all(&home)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    std::fs::write(home.join("nginx.conf"), configuration(&home, port, &ground.address))?;
    let proxy = Proxy(
        Command::new("nginx")
            .arg("-p")
            .arg(&home)
            .arg("-c")
            .arg(home.join("nginx.conf"))
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nginx: {error}"))?,
    );
    let url = format!("http://127.0.0.1:{port}");
    // It answers as soon as it listens.
    curl::curl(&["--retry", "20", "--retry-connrefused", "--retry-delay", "1", &url])?;
    let mut cases = curl::large(ground, &url)?;
    let ends = |name: &str, path: &str, arguments: &[&str], end: &str| {
        let said = curl::curl(&[arguments, &[&format!("{url}{path}")]].concat());
        let wrong = match said {
            Ok(said) if said.ends_with(end.as_bytes()) => None,
            Ok(said) => Some(format!("ended {:?}", String::from_utf8_lossy(&said[said.len().saturating_sub(60)..]))),
            Err(error) => Some(error.to_string()),
        };
        Case::new(name, wrong)
    };
    cases.push(ends("a page", "/", &[], "</html>"));
    cases.push(ends("a stream", "/stream", &[], "line 999\n"));
    cases.push(ends("a coded page", "/text", &["--compressed"], "some text "));
    cases.push(ends("a part", "/", &["--range", "0-8"], "<!doctype"));
    cases.push(ends("a body", "/echo", &["--data-binary", "told"], "told"));
    cases.push(ends("events as they come", "/events", &["--no-buffer"], "data: 2\n\n"));
    let unmodified = ["--header", "if-none-match: \"page-1\"", "--write-out", "%{http_code}"];
    cases.push(ends("what is known", "/", &unmodified, "304"));
    // A kept connection to the server behind is used for one request after the other.
    let many: Vec<String> = (0..50).map(|n| format!("{url}/?{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    cases.push(match curl::curl(&many) {
        Ok(said) if String::from_utf8_lossy(&said).matches("</html>").count() == 50 => Case::new("fifty pages", None),
        Ok(_) => Case::new("fifty pages", Some("not all of them came".into())),
        Err(error) => Case::new("fifty pages", Some(error.to_string())),
    });
    let talked = sockets::at(ground, &format!("127.0.0.1:{port}"), "nginx", &["1.*", "2.*", "5.*", "7.1.*"])?;
    cases.extend(talked.into_iter().map(|case| Case { name: format!("socket {}", case.name), ..case }));
    drop(proxy);
    Ok(cases)
}

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            println!("nginx cannot be ended: {error}");
        }
    }
}

fn configuration(home: &Path, port: u16, server: &str) -> String {
    let home = home.display();
    format!(
        "daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  client_max_body_size 32m;
  upstream server {{ server {server}; keepalive 4; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"
    )
}
