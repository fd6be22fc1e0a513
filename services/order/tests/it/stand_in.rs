//! Product and inventory as far as the wire goes: real servers that answer, fail or hang as a test says.

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use proto::inventory::v1::inventory_service_server::{InventoryService, InventoryServiceServer};
use proto::inventory::v1::{
    ConfirmRequest, ConfirmResponse, GetStockRequest, GetStockResponse, ReleaseRequest,
    ReleaseResponse, ReserveRequest, ReserveResponse, Shortage, confirm_response, reserve_response,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Code, Request, Response, Status};
use warp::Filter;
use warp::http::StatusCode;

/// How a stand-in treats a call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Plan {
    #[default]
    Answer,
    /// The other answer: out of stock, expired.
    Refuse,
    Fail(Code),
    /// Takes the call, and answers a Confirm once the plan is another one; others never.
    Hang,
}

/// A call that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Reserve(String),
    Release(String),
    Confirm(String),
}

#[derive(Clone, Default)]
pub(crate) struct Inventory(Arc<Mutex<InventoryState>>);

#[derive(Default)]
struct InventoryState {
    reserve: Plan,
    reserve_takes: Duration,
    confirm: watch::Sender<Plan>,
    /// Before `confirm`: one call each.
    next_confirms: VecDeque<Plan>,
    confirm_takes: Duration,
    release: Plan,
    release_takes: Duration,
    calls: Vec<Call>,
}

impl Inventory {
    pub(crate) fn on_reserve(&self, plan: Plan) {
        self.state().reserve = plan;
    }

    /// Also for the calls that hang.
    pub(crate) fn on_confirm(&self, plan: Plan) {
        self.state().confirm.send_replace(plan);
    }

    /// The next calls are treated so, one after the other; then those after them as before.
    pub(crate) fn on_next_confirms(&self, plans: impl IntoIterator<Item = Plan>) {
        self.state().next_confirms.extend(plans);
    }

    pub(crate) fn on_release(&self, plan: Plan) {
        self.state().release = plan;
    }

    pub(crate) fn slow_down_reserve(&self, takes: Duration) {
        self.state().reserve_takes = takes;
    }

    pub(crate) fn slow_down_confirm(&self, takes: Duration) {
        self.state().confirm_takes = takes;
    }

    pub(crate) fn slow_down_release(&self, takes: Duration) {
        self.state().release_takes = takes;
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The orders of the Reserve calls so far, in their order.
    pub(crate) fn reserved(&self) -> Vec<String> {
        let reserve = |call| match call {
            Call::Reserve(order_id) => Some(order_id),
            _ => None,
        };
        self.calls().into_iter().filter_map(reserve).collect()
    }

    /// The orders of the Confirm calls so far, in their order.
    pub(crate) fn confirmed(&self) -> Vec<String> {
        let confirm = |call| match call {
            Call::Confirm(order_id) => Some(order_id),
            _ => None,
        };
        self.calls().into_iter().filter_map(confirm).collect()
    }

    /// `Ok` once all of these calls have arrived; otherwise those that have.
    pub(crate) fn got(&self, wanted: &[Call]) -> Result<(), Vec<Call>> {
        let calls: HashSet<_> = self.calls().into_iter().collect();
        let all = wanted.iter().all(|call| calls.contains(call));
        if all { Ok(()) } else { Err(self.calls()) }
    }

    pub(crate) fn serve(&self) -> SocketAddr {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = InventoryServiceServer::new(self.clone());
        start(async move {
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        address
    }

    fn state(&self) -> MutexGuard<'_, InventoryState> {
        self.0.lock().unwrap()
    }
}

async fn follow<T>(plan: Plan, answer: T, refusal: T) -> Result<Response<T>, Status> {
    match plan {
        Plan::Answer => Ok(Response::new(answer)),
        Plan::Refuse => Ok(Response::new(refusal)),
        Plan::Fail(code) => Err(Status::new(code, "as the test says")),
        Plan::Hang => pending().await,
    }
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn get_stock(
        &self,
        _: Request<GetStockRequest>,
    ) -> Result<Response<GetStockResponse>, Status> {
        Err(Status::unimplemented("order never asks for this"))
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        let request = request.into_inner();
        let (plan, takes) = {
            let mut state = self.state();
            state.calls.push(Call::Reserve(request.order_id));
            (state.reserve, state.reserve_takes)
        };
        work(takes).await;
        let short = |line: proto::inventory::v1::ReservationLine| Shortage {
            product_id: line.product_id,
            requested: line.quantity,
            available: 0,
        };
        let reserved = ReserveResponse {
            outcome: reserve_response::Outcome::Reserved.into(),
            shortages: Vec::new(),
        };
        let rejected = ReserveResponse {
            outcome: reserve_response::Outcome::Rejected.into(),
            shortages: request.lines.into_iter().map(short).collect(),
        };
        follow(plan, reserved, rejected).await
    }

    async fn release(
        &self,
        request: Request<ReleaseRequest>,
    ) -> Result<Response<ReleaseResponse>, Status> {
        let (plan, takes) = {
            let mut state = self.state();
            state
                .calls
                .push(Call::Release(request.into_inner().order_id));
            (state.release, state.release_takes)
        };
        work(takes).await;
        follow(plan, ReleaseResponse {}, ReleaseResponse {}).await
    }

    async fn confirm(
        &self,
        request: Request<ConfirmRequest>,
    ) -> Result<Response<ConfirmResponse>, Status> {
        let (plan, mut later, takes) = {
            let mut state = self.state();
            state
                .calls
                .push(Call::Confirm(request.into_inner().order_id));
            let next = state.next_confirms.pop_front();
            let later = state.confirm.subscribe();
            (next, later, state.confirm_takes)
        };
        work(takes).await;
        let plan = match plan {
            Some(plan) => plan,
            None => *later.wait_for(|plan| *plan != Plan::Hang).await.unwrap(),
        };
        let answer = |outcome: confirm_response::Outcome| ConfirmResponse {
            outcome: outcome.into(),
        };
        let confirmed = answer(confirm_response::Outcome::Confirmed);
        follow(plan, confirmed, answer(confirm_response::Outcome::Expired)).await
    }
}

/// Every product costs 12.50 EUR, and each lookup takes `delay`.
#[derive(Clone, Default)]
pub(crate) struct Product(Arc<ProductState>);

#[derive(Default)]
struct ProductState {
    status: Mutex<Option<StatusCode>>,
    delay: Mutex<Duration>,
    lookups: Mutex<Vec<String>>,
    running: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Product {
    /// Answers with an error of that status.
    pub(crate) fn fail(&self, status: StatusCode) {
        *self.0.status.lock().unwrap() = Some(status);
    }

    pub(crate) fn heal(&self) {
        *self.0.status.lock().unwrap() = None;
    }

    pub(crate) fn delay(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    pub(crate) fn lookups(&self) -> Vec<String> {
        self.0.lookups.lock().unwrap().clone()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.0.most_at_once.load(Ordering::SeqCst)
    }

    pub(crate) async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let product = self.clone();
        let lookup = warp::path!("products" / String).then(move |id| {
            let product = product.clone();
            async move { product.answer(id).await }
        });
        start(warp::serve(lookup).incoming(listener).run());
        address
    }

    async fn answer(&self, id: String) -> impl warp::Reply + use<> {
        self.0.lookups.lock().unwrap().push(id.clone());
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_once.fetch_max(running, Ordering::SeqCst);
        let delay = *self.0.delay.lock().unwrap();
        work(delay).await;
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        let status = self.0.status.lock().unwrap().unwrap_or(StatusCode::OK);
        let body = serde_json::json!({
            "id": id, "name": id, "description": "", "price": {"amount": 1250, "currency": "EUR"},
        });
        warp::reply::with_status(warp::reply::json(&body), status)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in is another process as far as traces go"
)]
pub(crate) fn start(server: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(server);
}

async fn work(takes: Duration) {
    // Work that takes time, not a wait of the test.
    tokio::time::sleep(takes).await;
}
