//! Placing an order: price, reserve, store, confirm; and giving the stock back when that does not end well.

use contract::{attributes, events};
use futures_util::{StreamExt, TryStreamExt, stream};
use slog::{Logger, error, info, warn};
use tokio_util::task::TaskTracker;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span, instrument};
use uuid::Uuid;

use crate::backlog::Backlog;
use crate::clients::{Inventory, Products, Reserved, Shortage};
use crate::domain::{Basket, IdempotencyKey, Line, Order, ProductId, State};
use crate::error::{OrderError, mark};
use crate::metrics::{Attempt, Metrics, Outcome};
use crate::reservation::Reservation;
use crate::store::{Key, Prepared, Store, StoreError};
use crate::turns::{Turn, Turns};

/// Most price lookups of one order at once.
const PRICES_AT_ONCE: usize = 8;

#[derive(Clone)]
pub(crate) struct Placing {
    pub(crate) store: Store,
    pub(crate) products: Products,
    pub(crate) inventory: Inventory,
    pub(crate) metrics: Metrics,
    pub(crate) turns: Turns,
    /// For the reconciler: orders that are stored and not confirmed.
    pub(crate) backlog: Backlog,
    /// What outlives its call. The drain waits for it.
    pub(crate) tasks: TaskTracker,
    pub(crate) log: Logger,
}

/// What became of a valid request.
pub(crate) enum Placement {
    Placed(Order),
    /// The order that was placed with this idempotency key before.
    Repeated(Order),
    Rejected(Vec<Shortage>),
}

impl Placing {
    #[instrument(name = "order.place", skip_all, fields(shop.order.id = Empty, otel.status_code = Empty, otel.status_description = Empty, error.type = Empty))]
    pub(crate) async fn place(
        &self,
        basket: &Basket,
        key: Option<&IdempotencyKey>,
        attempt: &Attempt,
    ) -> Result<Placement, OrderError> {
        let placed = self.steps(basket, key, attempt).await;
        placed.inspect_err(|error| mark(&Span::current(), error))
    }

    async fn steps(
        &self,
        basket: &Basket,
        key: Option<&IdempotencyKey>,
        attempt: &Attempt,
    ) -> Result<Placement, OrderError> {
        let turn = match key {
            Some(key) => Some(self.turns.take(key).await),
            None => None,
        };
        if let Some(earlier) = self.earlier(basket, key).await? {
            return Ok(earlier);
        }
        let order = Order::new(self.price(basket).await?)?;
        Span::current().record(attributes::ORDER_ID, order.id.to_string());
        let reservation = Reservation::new(&self.inventory, order.id, &self.tasks, &self.log);
        let reservation = match self.reserve(&order, reservation).await? {
            Held::Reserved(reservation) => reservation,
            Held::Rejected(shortages) => return Ok(Placement::Rejected(shortages)),
        };
        match self.store(order, key, reservation, attempt, turn).await {
            // Another process, or a caller that left while its order was being committed.
            Err(OrderError::Store(StoreError::KeyTaken)) => self
                .earlier(basket, key)
                .await?
                .ok_or(OrderError::Store(StoreError::KeyTaken)),
            stored => stored.map(Placement::Placed),
        }
    }

    /// The order that this key stands for already.
    async fn earlier(
        &self,
        basket: &Basket,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Placement>, OrderError> {
        let Some(key) = key else { return Ok(None) };
        match self.store.by_key(key).await? {
            None => Ok(None),
            Some(order) if order.answers(basket) => Ok(Some(Placement::Repeated(order))),
            Some(_) => Err(OrderError::KeyReused),
        }
    }

    #[instrument(name = "order.price", skip_all, fields(otel.status_code = Empty, otel.status_description = Empty, error.type = Empty))]
    async fn price(&self, basket: &Basket) -> Result<Vec<Line>, OrderError> {
        let lines = basket
            .lines()
            .map(|(product_id, quantity)| self.line(product_id, quantity));
        // Collected first: the compiler cannot see that a stream of borrowing closures is `Send`.
        let lines: Vec<_> = lines.collect();
        // In the order of the basket, and none is asked for any more once one has failed.
        let priced = stream::iter(lines)
            .buffered(PRICES_AT_ONCE)
            .try_collect()
            .await;
        priced.inspect_err(|error| mark(&Span::current(), error))
    }

    async fn line(&self, product_id: &ProductId, quantity: i64) -> Result<Line, OrderError> {
        let unit_price = self.products.price(product_id).await?;
        Ok(Line {
            product_id: product_id.clone(),
            quantity,
            unit_price,
        })
    }

    #[instrument(name = "order.reserve", skip_all, fields(otel.status_code = Empty, otel.status_description = Empty, error.type = Empty))]
    async fn reserve(&self, order: &Order, reservation: Reservation) -> Result<Held, OrderError> {
        match self.inventory.reserve(order).await {
            Ok(Reserved::Held) => Ok(Held::Reserved(reservation)),
            Ok(Reserved::Rejected(shortages)) => {
                reservation.keep();
                Ok(Held::Rejected(shortages))
            }
            Err(refused) => {
                if refused.is_certain {
                    reservation.keep();
                }
                let error = OrderError::Reserve(refused.error);
                mark(&Span::current(), &error);
                Err(error)
            }
        }
    }

    /// Until the commit, a caller that goes away undoes everything. From the commit on, nothing it does changes the order.
    async fn store(
        &self,
        order: Order,
        key: Option<&IdempotencyKey>,
        reservation: Reservation,
        attempt: &Attempt,
        turn: Option<Turn>,
    ) -> Result<Order, OrderError> {
        let span = info_span!(
            "order.store",
            otel.status_code = Empty,
            otel.status_description = Empty,
            error.r#type = Empty
        );
        let prepared = self
            .store
            .prepare(&order, key)
            .instrument(span.clone())
            .await;
        let prepared = prepared
            .map_err(OrderError::Store)
            .inspect_err(|error| mark(&span, error))?;
        let finishing =
            self.clone()
                .finish(prepared, order, span, reservation, attempt.clone(), turn);
        match telemetry::spawn(self.tasks.track_future(finishing)).await {
            Ok(finished) => finished,
            Err(lost) => match lost.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(OrderError::Stopping),
            },
        }
    }

    /// Nobody may be left to hear how it ends, so it is counted and logged here.
    async fn finish(
        self,
        prepared: Prepared,
        order: Order,
        span: Span,
        reservation: Reservation,
        attempt: Attempt,
        // Held to the end: the next caller with this key must find what happens here.
        _turn: Option<Turn>,
    ) -> Result<Order, OrderError> {
        let finished = self.commit(prepared, order, span, reservation).await;
        match &finished {
            Ok(order) => {
                attempt.settle(Outcome::Placed);
                self.metrics.placed(&order.total);
                info!(self.log, "order placed";
                    "event.name" => events::ORDER_PLACED,
                    attributes::ORDER_ID => %order.id,
                    attributes::ORDER_ITEMS => order.lines.len(),
                    attributes::ORDER_TOTAL => order.total.minor);
            }
            Err(error) => self.failed(&attempt, error),
        }
        finished
    }

    async fn commit(
        &self,
        prepared: Prepared,
        mut order: Order,
        span: Span,
        reservation: Reservation,
    ) -> Result<Order, OrderError> {
        let committed = prepared.commit().instrument(span.clone()).await;
        committed
            .map_err(OrderError::Store)
            .inspect_err(|error| mark(&span, error))?;
        reservation.keep();
        order.state = self.confirm(order.id).await;
        match order.state {
            State::Placed | State::Confirmed => Ok(order),
            State::Cancelled => Err(OrderError::ReservationGone),
        }
    }

    /// A confirmation that does not get through is not the caller's concern: the reconciler repeats it.
    #[instrument(name = "order.confirm", skip_all, fields(otel.status_code = Empty, otel.status_description = Empty, error.type = Empty))]
    async fn confirm(&self, order_id: Uuid) -> State {
        match crate::confirm::settle(&self.inventory, &self.store, order_id, Key::Free).await {
            Ok(state) => state,
            Err(error) => {
                crate::confirm::mark(&Span::current(), &error);
                // While others wait already, the spans say which: a line for each would say the same a hundred times a second.
                if self.backlog.push(order_id) {
                    warn!(self.log, "order is not confirmed yet";
                        "event.name" => events::ORDER_UNCONFIRMED,
                        attributes::ORDER_ID => %order_id, "error" => #error);
                }
                State::Placed
            }
        }
    }

    /// The one place where a failed PlaceOrder is counted and logged, with its causes; once, whoever comes first.
    pub(crate) fn failed(&self, attempt: &Attempt, failure: &OrderError) {
        if !attempt.settle(failure.outcome()) {
            return;
        }
        match failure.outcome() {
            Outcome::Failed => error!(self.log, "order failed";
                "event.name" => events::ORDER_FAILED, "error" => #failure),
            _ => info!(self.log, "order refused";
                "event.name" => events::ORDER_REJECTED,
                attributes::ORDER_OUTCOME => "invalid",
                "reason" => %failure),
        }
    }
}

enum Held {
    Reserved(Reservation),
    Rejected(Vec<Shortage>),
}
