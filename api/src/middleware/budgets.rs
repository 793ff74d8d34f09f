//! Budgets of resources that requests hold for a time: each has a size, and a client may use only a share of it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use super::client_address::AddressGroup;
use crate::{respond::shed::Reason, server::limits::Limits};

/// Resource that requests hold for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Requests whose answer has not begun and whose body has arrived.
    Requests,
    /// Reports, exports and other streams of more than one page.
    Expensive,
    /// Bytes of bodies that have not arrived completely.
    BodyBytes,
    /// Bytes of long answers that have not been sent completely.
    AnswerBytes,
}

impl Resource {
    /// All resources with their names in metrics.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Requests, "requests"),
        (Self::Expensive, "expensive"),
        (Self::BodyBytes, "body_bytes"),
        (Self::AnswerBytes, "answer_bytes"),
    ];

    const fn used_up(self) -> Reason {
        match self {
            Self::Requests => Reason::Requests,
            Self::Expensive => Reason::Expensive,
            Self::BodyBytes => Reason::Bodies,
            Self::AnswerBytes => Reason::Answers,
        }
    }

    const fn used_up_by_client(self) -> Reason {
        match self {
            Self::Requests => Reason::RequestsOfClient,
            Self::Expensive => Reason::ExpensiveOfClient,
            Self::BodyBytes => Reason::BodiesOfClient,
            Self::AnswerBytes => Reason::AnswersOfClient,
        }
    }
}

/// Identity of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// API key, by its id.
    ApiKey([u8; 8]),
    /// Address of a request without an API key.
    Address(Option<AddressGroup>),
    /// Id of an API key in use that a request from this address names, before the API key is checked.
    Claim([u8; 8], Option<AddressGroup>),
}

impl ClientId {
    /// Returns the client with this API key; `None` if the text is not an id.
    #[must_use]
    pub fn of_api_key(id: &str) -> Option<Self> {
        id.as_bytes().try_into().ok().map(Self::ApiKey)
    }
}

/// Numbers of one value for each resource.
#[derive(Clone, Copy, Debug, Default)]
struct PerResource<T> {
    requests: T,
    expensive: T,
    body_bytes: T,
    answer_bytes: T,
}

impl<T> PerResource<T> {
    const fn of(&self, resource: Resource) -> &T {
        match resource {
            Resource::Requests => &self.requests,
            Resource::Expensive => &self.expensive,
            Resource::BodyBytes => &self.body_bytes,
            Resource::AnswerBytes => &self.answer_bytes,
        }
    }
}

/// Amounts in use.
type Usage = PerResource<AtomicUsize>;

/// Amounts that a client uses.
#[derive(Debug, Default)]
pub struct Client {
    usage: Usage,
    /// Set by each request, and removed by each purge.
    is_recent: AtomicBool,
}

/// Budgets of a server, shared by all workers.
#[derive(Debug)]
pub struct Budgets {
    sizes: PerResource<usize>,
    shares: PerResource<usize>,
    usage: Usage,
    clients: Mutex<HashMap<ClientId, Arc<Client>>>,
}

impl Budgets {
    /// Creates the budgets of a server with these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let sizes = PerResource {
            requests: limits.max_concurrent_requests,
            expensive: limits.max_expensive_requests,
            body_bytes: limits.max_pending_body_bytes,
            answer_bytes: limits.max_pending_answer_bytes,
        };
        let share = |size: usize| {
            (size / 100 * limits.client_share + size % 100 * limits.client_share / 100).max(1)
        };
        let shares = PerResource {
            requests: share(sizes.requests),
            expensive: share(sizes.expensive),
            body_bytes: share(sizes.body_bytes),
            answer_bytes: share(sizes.answer_bytes),
        };
        Self { sizes, shares, usage: Usage::default(), clients: Mutex::default() }
    }

    /// Returns the amount of a resource that is in use.
    #[must_use]
    pub fn in_use(&self, resource: Resource) -> usize {
        self.usage.of(resource).load(Relaxed)
    }

    /// Returns the client, a new one if it has sent no request for a while.
    pub fn client(&self, id: ClientId) -> Arc<Client> {
        get_or_add(&mut self.clients(), id)
    }

    /// Returns the client of a request that is not authenticated: its address, unless it names an API key that was
    /// accepted a short time ago. So requests with API keys in use do not share with others from their address, for
    /// example behind a proxy, and a request with a wrong secret takes no part of the API key's own share.
    pub fn unauthenticated_client(
        &self,
        address: Option<AddressGroup>,
        api_key: Option<[u8; 8]>,
    ) -> Arc<Client> {
        let mut clients = self.clients();
        let known = api_key.filter(|id| clients.contains_key(&ClientId::ApiKey(*id)));
        let id = known.map_or(ClientId::Address(address), |id| ClientId::Claim(id, address));
        get_or_add(&mut clients, id)
    }

    /// Returns whether the client has been admitted a short time ago.
    pub fn knows(&self, id: ClientId) -> bool {
        self.clients().contains_key(&id)
    }

    /// Removes clients that have sent no request since the last purge.
    pub fn purge(&self) {
        self.clients().retain(|_, client| {
            client.is_recent.swap(false, Relaxed) || Arc::strong_count(client) > 1
        });
    }

    /// Takes an amount of a resource, of which no client is known yet, until the permit is dropped.
    ///
    /// # Errors
    /// If the budget is used up.
    pub fn acquire(self: &Arc<Self>, resource: Resource, amount: usize) -> Result<Permit, Reason> {
        let mut permit = Permit { resource, amount: 0, budgets: Arc::clone(self), client: None };
        permit.grow(amount)?;
        Ok(permit)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<ClientId, Arc<Client>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn get_or_add(clients: &mut HashMap<ClientId, Arc<Client>>, id: ClientId) -> Arc<Client> {
    let client = clients.entry(id).or_default();
    client.is_recent.store(true, Relaxed);
    Arc::clone(client)
}

/// Amount of a resource that is in use until this is dropped.
#[derive(Debug)]
pub struct Permit {
    resource: Resource,
    amount: usize,
    budgets: Arc<Budgets>,
    client: Option<Arc<Client>>,
}

impl Permit {
    /// Takes more of the resource.
    ///
    /// # Errors
    /// If the budget or the client's share is used up.
    pub fn grow(&mut self, amount: usize) -> Result<(), Reason> {
        let resource = self.resource;
        take(self.budgets.usage.of(resource), amount, *self.budgets.sizes.of(resource))
            .ok_or(resource.used_up())?;
        if let Some(client) = &self.client
            && take(client.usage.of(resource), amount, *self.budgets.shares.of(resource)).is_none()
        {
            give_back(self.budgets.usage.of(resource), amount);
            return Err(resource.used_up_by_client());
        }
        self.amount += amount;
        Ok(())
    }

    /// Counts the amount also as this client's, and no longer as that of another one.
    ///
    /// # Errors
    /// If the client's share is used up.
    pub fn assign(&mut self, client: Arc<Client>) -> Result<(), Reason> {
        let resource = self.resource;
        if self.client.as_ref().is_some_and(|before| Arc::ptr_eq(before, &client)) {
            return Ok(());
        }
        take(client.usage.of(resource), self.amount, *self.budgets.shares.of(resource))
            .ok_or(resource.used_up_by_client())?;
        if let Some(before) = self.client.replace(client) {
            give_back(before.usage.of(resource), self.amount);
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        give_back(self.budgets.usage.of(self.resource), self.amount);
        if let Some(client) = &self.client {
            give_back(client.usage.of(self.resource), self.amount);
        }
    }
}

/// Adds the amount unless the sum is above `max`.
fn take(used: &AtomicUsize, amount: usize, max: usize) -> Option<()> {
    let add = |before: usize| before.checked_add(amount).filter(|after| *after <= max);
    used.fetch_update(Relaxed, Relaxed, add).ok().map(drop)
}

fn give_back(used: &AtomicUsize, amount: usize) {
    used.fetch_sub(amount, Relaxed);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        limits: Limits,
    }

    fn budgets(args: &[&str]) -> Arc<Budgets> {
        let args = ["serve"].iter().chain(args);
        Arc::new(Budgets::new(&Options::parse_from(args).limits))
    }

    fn acquire(budgets: &Arc<Budgets>, id: &str) -> Result<Permit, Reason> {
        let mut permit = budgets.acquire(Resource::Expensive, 1)?;
        permit.assign(budgets.client(ClientId::of_api_key(id).unwrap()))?;
        Ok(permit)
    }

    #[test]
    fn a_client_has_a_share_and_all_clients_the_whole() {
        let budgets = budgets(&["--max-expensive-requests", "4", "--client-share", "50"]);
        let one = [acquire(&budgets, "aaaaaaaa").unwrap(), acquire(&budgets, "aaaaaaaa").unwrap()];
        assert_eq!(acquire(&budgets, "aaaaaaaa").unwrap_err(), Reason::ExpensiveOfClient);
        let other = acquire(&budgets, "bbbbbbbb").unwrap();
        let _third = acquire(&budgets, "cccccccc").unwrap();
        assert_eq!(acquire(&budgets, "bbbbbbbb").unwrap_err(), Reason::Expensive);
        assert_eq!(budgets.in_use(Resource::Expensive), 4);
        drop(other);
        assert_eq!(acquire(&budgets, "aaaaaaaa").unwrap_err(), Reason::ExpensiveOfClient);
        drop(one);
        acquire(&budgets, "aaaaaaaa").unwrap();
        assert_eq!(budgets.in_use(Resource::Expensive), 1);
    }

    #[test]
    fn a_permit_that_cannot_grow_keeps_its_amount() {
        let budgets = budgets(&["--max-pending-body-bytes", "1000", "--client-share", "50"]);
        let mut permit = budgets.acquire(Resource::BodyBytes, 300).unwrap();
        permit.assign(budgets.client(ClientId::Address(None))).unwrap();
        assert_eq!(permit.grow(201).unwrap_err(), Reason::BodiesOfClient);
        assert_eq!(permit.grow(usize::MAX).unwrap_err(), Reason::Bodies);
        assert_eq!(budgets.in_use(Resource::BodyBytes), 300);
        permit.grow(200).unwrap();
        drop(permit);
        assert_eq!(budgets.in_use(Resource::BodyBytes), 0);
    }

    #[test]
    fn a_wrong_secret_takes_no_part_of_the_share_of_an_api_key() {
        let budgets = budgets(&["--max-concurrent-requests", "2", "--client-share", "50"]);
        let place = |client: &Arc<Client>| {
            let mut place = budgets.acquire(Resource::Requests, 1)?;
            place.assign(Arc::clone(client)).map(|()| place)
        };
        let unknown = budgets.unauthenticated_client(None, Some(*b"aaaaaaaa"));
        assert!(Arc::ptr_eq(&unknown, &budgets.client(ClientId::Address(None))));
        let api_key = budgets.client(ClientId::ApiKey(*b"aaaaaaaa"));
        let claim = budgets.unauthenticated_client(None, Some(*b"aaaaaaaa"));
        let mut claimed = place(&claim).unwrap();
        assert_eq!(place(&claim).unwrap_err(), Reason::RequestsOfClient);
        let checked = place(&api_key).unwrap();
        assert_eq!(claimed.assign(Arc::clone(&api_key)).unwrap_err(), Reason::RequestsOfClient);
        drop(checked);
        claimed.assign(api_key).unwrap();
        place(&claim).unwrap();
    }

    #[test]
    fn idle_clients_are_forgotten() {
        let budgets = budgets(&[]);
        let (busy, idle) = (ClientId::of_api_key("aaaaaaaa").unwrap(), ClientId::Address(None));
        let held = budgets.client(busy);
        let _ = budgets.client(idle);
        budgets.purge();
        assert!(budgets.knows(busy) && budgets.knows(idle));
        budgets.purge();
        assert!(budgets.knows(busy) && !budgets.knows(idle));
        drop(held);
        budgets.purge();
        assert!(!budgets.knows(busy));
    }
}
