//! What warp rejects, as problem documents.

use std::convert::Infallible;

use http::StatusCode;
use warp::body::BodyDeserializeError;
use warp::reject::{
    InvalidHeader, InvalidQuery, LengthRequired, MethodNotAllowed, MissingHeader, PayloadTooLarge,
    Rejection, UnsupportedMediaType,
};

use crate::problem::Problem;

/// Maps each rejection of warp to a problem.
pub(crate) async fn recover(rejection: Rejection) -> Result<Problem, Infallible> {
    Ok(problem(&rejection))
}

fn problem(rejection: &Rejection) -> Problem {
    if rejection.is_not_found() {
        Problem::new(StatusCode::NOT_FOUND).detail("There is nothing at this path.")
    } else if let Some(error) = rejection.find::<BodyDeserializeError>() {
        // serde's text names the field and the place, and comes from the caller's own document.
        let cause = std::error::Error::source(error);
        let detail = cause.map_or_else(|| error.to_string(), ToString::to_string);
        Problem::new(StatusCode::BAD_REQUEST).detail(format!("The body is not valid: {detail}."))
    } else if rejection.find::<UnsupportedMediaType>().is_some() {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("The body must be application/json.")
    } else if rejection.find::<PayloadTooLarge>().is_some() {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
    } else if rejection.find::<LengthRequired>().is_some() {
        Problem::new(StatusCode::LENGTH_REQUIRED)
    } else if let Some(header) = rejection.find::<InvalidHeader>() {
        Problem::new(StatusCode::BAD_REQUEST)
            .detail(format!("The header {} is not valid.", header.name()))
    } else if let Some(header) = rejection.find::<MissingHeader>() {
        Problem::new(StatusCode::BAD_REQUEST)
            .detail(format!("The header {} is missing.", header.name()))
    } else if rejection.find::<InvalidQuery>().is_some() {
        Problem::new(StatusCode::BAD_REQUEST).detail("The query string is not valid.")
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        // Last: in a chain of routes, those of other methods reject beside the one that says what is wrong.
        Problem::new(StatusCode::METHOD_NOT_ALLOWED)
    } else if is_unread_body(rejection) {
        Problem::new(StatusCode::BAD_REQUEST).detail("The body could not be read.")
    } else {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The client went away, or its body was cut off. warp keeps the type to itself, so only its name tells.
fn is_unread_body(rejection: &Rejection) -> bool {
    format!("{rejection:?}").contains("BodyReadError")
}
