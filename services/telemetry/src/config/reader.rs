//! Reads typed values and collects what was wrong.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;

use super::Environment;
use super::variables::{self, VARIABLES};

/// Reads variables through a lookup and collects every error; see the [module](super) for the rules.
///
/// A method answers the default when the value is not set **or not valid**: the caller reads on, and
/// [`Reader::finish`] then refuses the whole configuration.
///
/// ```
/// use std::time::Duration;
/// use telemetry::config::Reader;
///
/// let lookup = |name: &str| (name == "SHOP_REQUEST_TIMEOUT").then(|| "5".to_owned());
/// let mut reader = Reader::new(&lookup);
/// reader.duration("SHOP_REQUEST_TIMEOUT", Duration::from_secs(20));
/// let refused = reader.finish().unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "SHOP_REQUEST_TIMEOUT=\"5\": expected a duration with its unit, such as 5s or 200ms"
/// );
/// ```
pub struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    invalid: Vec<Invalid>,
}

/// One variable that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The variable.
    pub variable: String,
    /// What it was set to.
    pub value: String,
    /// What would have been accepted.
    pub expected: String,
}

/// Everything that was wrong with a configuration, in the order in which it was read; one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused(pub Vec<Invalid>);

impl<'a> Reader<'a> {
    /// Reads through `lookup`, which answers `None` for a variable that is not set.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            invalid: Vec::new(),
        }
    }

    /// A duration with its unit: `5s`, `200ms`, `1m 30s`.
    pub fn duration(&mut self, variable: &str, default: Duration) -> Duration {
        self.parse(
            variable,
            default,
            "a duration with its unit, such as 5s or 200ms",
            |text| humantime::parse_duration(text).ok(),
        )
    }

    /// A number of bytes: `65536`, `64KiB`, `10MB`.
    pub fn bytes(&mut self, variable: &str, default: u64) -> u64 {
        self.parse(
            variable,
            default,
            "a number of bytes, such as 64KiB or 10MB",
            |text| {
                text.parse::<bytesize::ByteSize>()
                    .ok()
                    .map(|size| size.as_u64())
            },
        )
    }

    /// A whole number, 1 or more.
    pub fn count(&mut self, variable: &str, default: usize) -> usize {
        self.parse(variable, default, "a whole number, 1 or more", |text| {
            text.parse().ok().filter(|count| *count >= 1)
        })
    }

    /// `on` or `off`.
    pub fn switch(&mut self, variable: &str, default: bool) -> bool {
        self.parse(variable, default, "on or off", |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    /// Any text.
    pub fn text(&mut self, variable: &str, default: &str) -> String {
        self.get(variable).unwrap_or_else(|| default.to_owned())
    }

    /// Values separated by commas; spaces around them and empty ones do not count. Empty when not set.
    pub fn list(&mut self, variable: &str) -> Vec<String> {
        let text = self.text(variable, "");
        let items = text.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// An IP address and port: `127.0.0.1:8080`, `[::1]:8080`. Port 0 lets the system choose.
    ///
    /// # Panics
    /// If `default` is no address: a mistake in the code, found by its first start.
    pub fn address(&mut self, variable: &str, default: &str) -> SocketAddr {
        #[expect(clippy::expect_used, reason = "defaults are constants of the code")]
        let default = default.parse().expect("a default address must parse");
        self.parse(
            variable,
            default,
            "an IP address and port, such as 127.0.0.1:8080",
            |text| text.parse().ok(),
        )
    }

    /// The address of a server: `http://` with a host, no query. There is no TLS in this build.
    ///
    /// # Panics
    /// If `default` is no such URL: a mistake in the code, found by its first start.
    pub fn url(&mut self, variable: &str, default: &str) -> Uri {
        #[expect(clippy::expect_used, reason = "defaults are constants of the code")]
        let default = plain_url(default).expect("a default URL must parse");
        self.parse(
            variable,
            default,
            "http:// with a host, such as http://127.0.0.1:8080 (no TLS in this build)",
            plain_url,
        )
    }

    /// Anything else: `parse` answers `None` for what it does not accept, `expected` says what it would have.
    pub fn parse<T>(
        &mut self,
        variable: &str,
        default: T,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.get(variable) else {
            return default;
        };
        parse(&text).unwrap_or_else(|| {
            self.refuse(variable, &text, expected);
            default
        })
    }

    /// Refuses a value that parsed but cannot be used, for example together with another one.
    pub fn refuse(&mut self, variable: &str, value: &str, expected: impl Into<String>) {
        self.invalid.push(Invalid {
            variable: variable.to_owned(),
            value: value.to_owned(),
            expected: expected.into(),
        });
    }

    /// Refuses each `SHOP_*` name that no service of the shop knows.
    pub(crate) fn refuse_unknown(&mut self, environment: &Environment) {
        let unknown = environment.names().filter(|name| {
            name.starts_with(variables::PREFIX)
                && !VARIABLES.iter().any(|known| known.name == *name)
        });
        for name in unknown {
            let nearest = variables::nearest(name);
            let value = environment.get(name).unwrap_or_default();
            self.refuse(
                name,
                &value,
                format!("a known name; did you mean {nearest}?"),
            );
        }
    }

    /// The end of reading.
    ///
    /// # Errors
    /// If any value was refused: all of them.
    pub fn finish(self) -> Result<(), Refused> {
        if self.invalid.is_empty() {
            Ok(())
        } else {
            Err(Refused(self.invalid))
        }
    }

    pub(crate) fn get(&mut self, variable: &str) -> Option<String> {
        // A name outside the table would be refused as unknown by every start that sets it.
        if variable.starts_with(variables::PREFIX)
            && !VARIABLES.iter().any(|known| known.name == variable)
        {
            self.refuse(
                variable,
                "",
                "a name in telemetry::config::VARIABLES: add it there",
            );
        }
        (self.lookup)(variable).filter(|value| !value.is_empty())
    }
}

// === impl Invalid, Refused ===

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={:?}: expected {}",
            self.variable, self.value, self.expected
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(Invalid::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// `http` with a host and no query: all that a client of this build can talk to.
pub(super) fn plain_url(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let host = uri.host().is_some_and(|host| !host.is_empty());
    (uri.scheme_str() == Some("http") && host && uri.query().is_none()).then_some(uri)
}
