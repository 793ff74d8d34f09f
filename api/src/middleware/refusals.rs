//! Rate of answers 401 and 403 to an address.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
};

use super::client_address::AddressGroup;

/// Counters of refused requests by address.
pub struct Refusals {
    rate: DefaultKeyedRateLimiter<AddressGroup>,
    /// Addresses above the rate, each with the end of its block.
    blocked: Mutex<HashMap<AddressGroup, Instant>>,
    /// True if there may be a blocked address: then only requests look for theirs.
    any_blocked: AtomicBool,
}

impl Refusals {
    /// Creates counters for this rate.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self {
            rate: RateLimiter::keyed(quota),
            blocked: Mutex::default(),
            any_blocked: AtomicBool::new(false),
        }
    }

    /// Counts an answer 401 or 403. Returns whether it is above the rate; then the address is blocked until another one
    /// is within it.
    pub fn count(&self, address: AddressGroup) -> bool {
        let Err(not_until) = self.rate.check_key(&address) else { return false };
        self.blocked().insert(address, not_until.earliest_possible());
        self.any_blocked.store(true, Relaxed);
        true
    }

    /// Returns whether the address is blocked.
    pub fn is_blocked(&self, address: AddressGroup) -> bool {
        if !self.any_blocked.load(Relaxed) {
            return false;
        }
        let now = MonotonicClock.now();
        self.blocked().get(&address).is_some_and(|until| now < *until)
    }

    /// Removes addresses that are not blocked any more, or had no refusal for a while.
    pub fn purge(&self) {
        self.rate.retain_recent();
        let now = MonotonicClock.now();
        let mut blocked = self.blocked();
        blocked.retain(|_, until| now < *until);
        self.any_blocked.store(!blocked.is_empty(), Relaxed);
    }

    fn blocked(&self) -> MutexGuard<'_, HashMap<AddressGroup, Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, num::NonZeroU32, thread::sleep, time::Duration};

    use super::*;

    #[test]
    fn an_address_above_the_rate_is_blocked_for_a_time() {
        let rate = Quota::per_second(NonZeroU32::new(5).unwrap());
        let refusals = Refusals::new(rate);
        let one = IpAddr::from([192, 0, 2, 1]).into();
        let other = IpAddr::from([192, 0, 2, 2]).into();
        assert!((0..5).all(|_| !refusals.count(one)));
        assert!(!refusals.is_blocked(one));
        assert!(refusals.count(one));
        assert!(refusals.is_blocked(one) && !refusals.is_blocked(other));
        sleep(Duration::from_millis(250));
        assert!(!refusals.is_blocked(one));
        refusals.purge();
        assert!(!refusals.any_blocked.load(Relaxed));
    }
}
