//! The full method name, `package.Service/Method`: the path of a call without its slash.

use http::Uri;

/// The full method name that the caller asks for.
pub(super) fn requested(uri: &Uri) -> &str {
    let path = uri.path();
    path.strip_prefix('/').unwrap_or(path)
}

/// The known method of that name. A server must not take names from the wire: they are unbounded.
pub(super) fn known(methods: &'static [&'static str], requested: &str) -> Option<&'static str> {
    methods.iter().copied().find(|method| *method == requested)
}
