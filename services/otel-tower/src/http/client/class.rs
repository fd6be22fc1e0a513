use std::error::Error;
use std::io::ErrorKind;

use crate::BoxError;

/// The `error.type` of a request that got no response: `connect`, `timeout` or `other`.
pub(super) fn class(error: &BoxError) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&**error);
    while let Some(error) = cause {
        if let Some(class) = own_class(error) {
            return class;
        }
        cause = source(error);
    }
    "other"
}

/// An I/O error that wraps another skips it in `source()`: it gives the source of what it wraps.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn own_class(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.is::<tokio::time::error::Elapsed>() || error.is::<tower::timeout::error::Elapsed>() {
        return Some("timeout");
    }
    // Name resolution fails with an error that only hyper's client knows to be part of connecting.
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>()
        && error.is_connect()
    {
        return Some("connect");
    }
    match error.downcast_ref::<std::io::Error>()?.kind() {
        ErrorKind::TimedOut => Some("timeout"),
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::AddrNotAvailable => Some("connect"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_found_anywhere_in_the_chain() {
        let wrapped = |kind: ErrorKind| {
            let inner = std::io::Error::from(kind);
            BoxError::from(std::io::Error::other(inner))
        };
        assert_eq!(class(&wrapped(ErrorKind::ConnectionRefused)), "connect");
        assert_eq!(class(&wrapped(ErrorKind::TimedOut)), "timeout");
        assert_eq!(class(&wrapped(ErrorKind::ConnectionReset)), "other");
        assert_eq!(
            class(&tower::timeout::error::Elapsed::new().into()),
            "timeout"
        );
    }
}
