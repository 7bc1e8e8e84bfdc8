//! What an app serves, for people and for tests.

use std::fmt;

use crate::AppService;

/// A route of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The host that it is served for, if the app tells hosts apart.
    pub host: Option<String>,
    /// The path as registered, below all that it is nested under.
    pub path: String,
    /// The methods that are answered, those without a handler of their own included; `*` is any other.
    pub methods: Vec<String>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} [{}]", self.host.as_deref().unwrap_or_default(), self.path, self.methods.join(", "))
    }
}

impl<State: 'static> AppService<State> {
    /// All routes, by host and then in the order they were registered.
    ///
    /// ```
    /// let mut app = wavetank_web::App::new();
    /// app.at("/health").get(async || "ok");
    /// assert_eq!(app.into_service()?.routes()[0].to_string(), "/health [GET, HEAD, OPTIONS]");
    /// # Ok::<(), wavetank_web::RouteError>(())
    /// ```
    #[must_use]
    pub fn routes(&self) -> Vec<Listed> {
        let mut listed = Vec::new();
        for (host, table) in self.tables() {
            for methods in &table.routes {
                let mut names: Vec<String> = methods.names().into_iter().map(str::to_owned).collect();
                if methods.otherwise.is_some() {
                    names.push("*".to_owned());
                }
                listed.push(Listed { host: host.clone(), path: methods.path.text.clone(), methods: names });
            }
        }
        listed
    }
}
