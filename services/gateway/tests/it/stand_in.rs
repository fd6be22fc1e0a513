//! Product, inventory and order as far as the wire goes: real servers that answer as a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use proto::inventory::v1::inventory_service_server::{InventoryService, InventoryServiceServer};
use proto::inventory::v1::{
    ConfirmRequest, ConfirmResponse, GetStockRequest, GetStockResponse, ReleaseRequest,
    ReleaseResponse, ReserveRequest, ReserveResponse, StockLevel,
};
use proto::order::v1::order_service_server::{OrderService, OrderServiceServer};
use proto::order::v1::{
    GetOrderRequest, GetOrderResponse, Money, Order, OrderStatus, PlaceOrderRequest,
    PlaceOrderResponse, PricedItem, Rejection, Shortage, place_order_response,
};
use tokio::sync::Barrier;
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Code, Request, Response, Status};
use warp::Filter;
use warp::http::{HeaderMap, StatusCode};

pub(crate) const ORDER_ID: &str = "01999999-0000-7000-8000-000000000001";

/// How order treats a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Plan {
    #[default]
    Answer,
    OutOfStock,
    Fail(Code),
    /// Takes the call and never answers.
    Hang,
}

/// A PlaceOrder that arrived, with the context it brought.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) items: Vec<(String, i64)>,
    pub(crate) key: String,
    pub(crate) baggage: Option<String>,
}

/// All three peers behind one state.
#[derive(Clone, Default)]
pub(crate) struct Peers(Arc<State>);

#[derive(Default)]
struct State {
    plan: Mutex<Plan>,
    placed: Mutex<Vec<Placed>>,
    lookups: Mutex<Vec<String>>,
    product_status: Mutex<Option<StatusCode>>,
    levels: Mutex<Vec<(String, i64)>>,
    /// Every baggage header that product or inventory got.
    baggage: Mutex<Vec<String>>,
    /// Where product and inventory wait for each other.
    meeting: Mutex<Option<Arc<Barrier>>>,
}

/// Where the peers listen.
pub(crate) struct Addresses {
    pub(crate) product: SocketAddr,
    pub(crate) grpc: SocketAddr,
}

impl Peers {
    pub(crate) fn plan(&self, plan: Plan) {
        *locked(&self.0.plan) = plan;
    }

    pub(crate) fn fail_product(&self, status: StatusCode) {
        *locked(&self.0.product_status) = Some(status);
    }

    pub(crate) fn stock(&self, levels: &[(&str, i64)]) {
        let owned = levels
            .iter()
            .map(|(id, available)| ((*id).to_owned(), *available));
        *locked(&self.0.levels) = owned.collect();
    }

    /// From now on product and inventory answer only once both have been asked.
    pub(crate) fn meet(&self) {
        *locked(&self.0.meeting) = Some(Arc::new(Barrier::new(2)));
    }

    pub(crate) fn placed(&self) -> Vec<Placed> {
        locked(&self.0.placed).clone()
    }

    pub(crate) fn lookups(&self) -> Vec<String> {
        locked(&self.0.lookups).clone()
    }

    pub(crate) fn baggage(&self) -> Vec<String> {
        locked(&self.0.baggage).clone()
    }

    /// Two products, `cup` and `tea`; inventory and order share a listener.
    pub(crate) async fn serve(&self) -> Addresses {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let grpc = incoming.local_addr().unwrap();
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<OrderServiceServer<Self>>().await;
        let server = Server::builder()
            .add_service(health_service)
            .add_service(InventoryServiceServer::new(self.clone()))
            .add_service(OrderServiceServer::new(self.clone()))
            .serve_with_incoming(incoming);
        start(async move { server.await.unwrap() });

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let product = listener.local_addr().unwrap();
        let peers = self.clone();
        let answer = warp::path::full().and(warp::header::headers_cloned()).then(
            move |path: warp::path::FullPath, headers: HeaderMap| {
                let peers = peers.clone();
                async move { peers.product(path.as_str(), &headers).await }
            },
        );
        start(warp::serve(answer).incoming(listener).run());
        Addresses { product, grpc }
    }

    async fn product(&self, path: &str, headers: &HeaderMap) -> warp::reply::Response {
        if path == "/healthz" {
            return warp::reply::Reply::into_response("ok");
        }
        locked(&self.0.lookups).push(path.to_owned());
        self.notice(headers.get("baggage").and_then(|it| it.to_str().ok()));
        self.met().await;
        let product = |id: &str| {
            serde_json::json!({"id": id, "name": id, "description": "fine",
                "price": {"amount": 1250, "currency": "EUR"}})
        };
        let (status, body) = match path.strip_prefix("/products") {
            Some("") => (
                200,
                serde_json::json!({"products": [product("cup"), product("tea")]}),
            ),
            Some("/cup") => (200, product("cup")),
            _ => (404, serde_json::json!({})),
        };
        let status =
            locked(&self.0.product_status).unwrap_or(StatusCode::from_u16(status).unwrap());
        warp::reply::Reply::into_response(warp::reply::with_status(
            warp::reply::json(&body),
            status,
        ))
    }

    fn notice(&self, baggage: Option<&str>) {
        locked(&self.0.baggage).extend(baggage.map(str::to_owned));
    }

    async fn met(&self) {
        let meeting = locked(&self.0.meeting).clone();
        if let Some(meeting) = meeting {
            meeting.wait().await;
        }
    }
}

#[tonic::async_trait]
impl InventoryService for Peers {
    async fn get_stock(
        &self,
        request: Request<GetStockRequest>,
    ) -> Result<Response<GetStockResponse>, Status> {
        self.notice(baggage(&request).as_deref());
        self.met().await;
        let asked = request.into_inner().product_ids;
        let levels = locked(&self.0.levels).clone();
        let levels = levels
            .into_iter()
            .filter(|(id, _)| asked.is_empty() || asked.contains(id));
        let levels = levels.map(|(product_id, available)| StockLevel {
            product_id,
            available,
        });
        Ok(Response::new(GetStockResponse {
            levels: levels.collect(),
        }))
    }

    async fn reserve(
        &self,
        _: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        Err(never_asked())
    }

    async fn release(
        &self,
        _: Request<ReleaseRequest>,
    ) -> Result<Response<ReleaseResponse>, Status> {
        Err(never_asked())
    }

    async fn confirm(
        &self,
        _: Request<ConfirmRequest>,
    ) -> Result<Response<ConfirmResponse>, Status> {
        Err(never_asked())
    }
}

#[tonic::async_trait]
impl OrderService for Peers {
    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        let baggage = baggage(&request);
        let request = request.into_inner();
        let items: Vec<_> = request
            .items
            .into_iter()
            .map(|it| (it.product_id, it.quantity))
            .collect();
        let placed = Placed {
            items,
            key: request.idempotency_key,
            baggage,
        };
        locked(&self.0.placed).push(placed.clone());
        let plan = *locked(&self.0.plan);
        let outcome = match plan {
            Plan::Answer => place_order_response::Outcome::Placed(order(&placed.items)),
            Plan::OutOfStock => place_order_response::Outcome::Rejected(rejection(&placed.items)),
            Plan::Fail(code) => return Err(Status::new(code, "as the test says")),
            Plan::Hang => std::future::pending().await,
        };
        Ok(Response::new(PlaceOrderResponse {
            outcome: Some(outcome),
        }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        match request.into_inner().order_id.as_str() {
            ORDER_ID => Ok(Response::new(GetOrderResponse {
                order: Some(order(&[("tea".into(), 2)])),
            })),
            _ => Err(Status::not_found("this order does not exist")),
        }
    }
}

fn order(items: &[(String, i64)]) -> Order {
    let price = |amount| {
        Some(Money {
            amount,
            currency: "EUR".to_owned(),
        })
    };
    let items = items.iter().map(|(product_id, quantity)| PricedItem {
        product_id: product_id.clone(),
        quantity: *quantity,
        unit_price: price(1250),
    });
    Order {
        order_id: ORDER_ID.to_owned(),
        status: OrderStatus::Placed.into(),
        items: items.collect(),
        total: price(2500),
        created_at: "2026-01-01T00:00:00.000Z".to_owned(),
    }
}

fn rejection(items: &[(String, i64)]) -> Rejection {
    let shortages = items.iter().map(|(product_id, requested)| Shortage {
        product_id: product_id.clone(),
        requested: *requested,
        available: 1,
    });
    Rejection {
        shortages: shortages.collect(),
    }
}

fn baggage<T>(request: &Request<T>) -> Option<String> {
    let value = request.metadata().get("baggage")?;
    Some(value.to_str().unwrap().to_owned())
}

fn never_asked() -> Status {
    Status::unimplemented("the gateway never asks for this")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in is another process as far as traces go"
)]
pub(crate) fn start(server: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(server);
}
