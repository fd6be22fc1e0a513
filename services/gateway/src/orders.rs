//! Orders as JSON: what is accepted, strictly, and what is shown.

use hosting::money::Money;
use hosting::problem::trace_id;
use http::header::{CONTENT_TYPE, HeaderMap};
use proto::order::v1::{Order, OrderItem, OrderStatus, PlaceOrderRequest};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MAX_KEY: usize = 128;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    items: Vec<NewItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewItem {
    product_id: String,
    quantity: i64,
}

/// An order as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    pub(crate) order_id: String,
    status: &'static str,
    total: Money,
    items: Vec<ItemView>,
    created_at: String,
    /// Of the request that this answers, not of the one that placed the order.
    trace_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct ItemView {
    product_id: String,
    quantity: i64,
    unit_price: Money,
}

/// The body and headers of `POST /api/orders`.
pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<PlaceOrderRequest, Failure> {
    if !is_json(headers) {
        return Err(Failure::MediaType);
    }
    let order: NewOrder = serde_json::from_slice(body)
        .map_err(|error| Failure::Malformed(format!("the body is not an order: {error}")))?;
    let items = order.items.into_iter().map(|item| OrderItem {
        product_id: item.product_id,
        quantity: item.quantity,
    });
    Ok(PlaceOrderRequest {
        items: items.collect(),
        idempotency_key: idempotency_key(headers)?,
    })
}

/// The empty text is how the wire to order says "no key", so an empty header is refused here.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Failure> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(String::new());
    };
    let key = value.as_bytes();
    let fits = (1..=MAX_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(key) {
        Ok(key) if fits && values.next().is_none() => Ok(key.to_owned()),
        _ => Err(Failure::Malformed(format!(
            "the header Idempotency-Key must occur once and be 1 to {MAX_KEY} visible ASCII characters"
        ))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl From<Order> for View {
    fn from(order: Order) -> Self {
        let status = match order.status() {
            OrderStatus::Placed => "placed",
            OrderStatus::Cancelled => "cancelled",
            OrderStatus::Unspecified => "unknown",
        };
        let items = order.items.into_iter().map(|item| ItemView {
            product_id: item.product_id,
            quantity: item.quantity,
            unit_price: money(item.unit_price),
        });
        Self {
            order_id: order.order_id,
            status,
            total: money(order.total),
            items: items.collect(),
            created_at: order.created_at,
            trace_id: trace_id(),
        }
    }
}

fn money(money: Option<proto::order::v1::Money>) -> Money {
    let money = money.unwrap_or_default();
    Money::new(money.amount, money.currency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn json() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
    }

    #[test]
    fn an_unknown_field_is_refused_by_its_name() {
        for body in [
            r#"{"items":[],"coupon":"x"}"#,
            r#"{"items":[{"product_id":"p","quantity":1,"coupon":"x"}]}"#,
        ] {
            let refused = parse(&json(), body.as_bytes()).unwrap_err();
            assert_eq!(refused.status(), 400);
            assert!(refused.to_string().contains("`coupon`"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_order_is_malformed() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"items":[{"product_id":"p"}]}"#,
            r#"{"items":[{"product_id":"p","quantity":1.5}]}"#,
            r#"{"items":[]} x"#,
        ] {
            assert_eq!(
                parse(&json(), body.as_bytes()).unwrap_err().status(),
                400,
                "{body}"
            );
        }
    }

    #[test]
    fn the_content_type_must_be_json() {
        let body = br#"{"items":[]}"#;
        for accepted in ["application/json", "Application/JSON; charset=utf-8"] {
            let headers =
                HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(accepted))]);
            assert!(parse(&headers, body).is_ok(), "{accepted}");
        }
        for refused in [
            "text/plain",
            "application/jsonp",
            "application/x-www-form-urlencoded",
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(refused))]);
            assert_eq!(
                parse(&headers, body).unwrap_err().status(),
                415,
                "{refused}"
            );
        }
        assert_eq!(parse(&HeaderMap::new(), body).unwrap_err().status(), 415);
    }

    #[test]
    fn an_idempotency_key_is_one_visible_ascii_value() {
        let with = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            idempotency_key(&headers)
        };
        assert_eq!(with(&[]).unwrap(), "");
        assert_eq!(with(&[b"order-1!"]).unwrap(), "order-1!");
        assert_eq!(with(&[&[b'x'; 128]]).unwrap().len(), 128);
        for refused in [
            &[b"".as_slice()][..],
            &[b"a b"],
            &["é".as_bytes()],
            &[&[b'x'; 129]],
            &[b"a", b"a"],
        ] {
            assert_eq!(with(refused).unwrap_err().status(), 400, "{refused:?}");
        }
    }
}
