//! Servers of a database, of which the first suitable one is used.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Time for which a server that was not suitable is tried after the others.
const DEFERRED_FOR: Duration = Duration::from_secs(30);

/// Servers in the order of preference. Clones share what is known about them.
#[derive(Clone)]
pub struct Hosts {
    hosts: Arc<[Host]>,
    /// Position of the server that was used last.
    last: Arc<AtomicUsize>,
}

/// URL of one server.
pub struct Host {
    /// It may hold a password.
    pub url: String,
    /// Host and port.
    pub name: String,
    failed_at: Mutex<Option<Instant>>,
}

impl Hosts {
    /// Makes a list of names and URLs, of one server each.
    pub fn new(hosts: impl IntoIterator<Item = (String, String)>) -> Self {
        let host = |(name, url)| Host { url, name, failed_at: Mutex::default() };
        Self { hosts: hosts.into_iter().map(host).collect(), last: Arc::default() }
    }

    /// Returns the URL of the first server.
    pub fn first(&self) -> Option<&str> {
        self.hosts.first().map(|host| host.url.as_str())
    }

    /// Returns the number of servers.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Returns whether there is a choice.
    pub fn are_several(&self) -> bool {
        self.len() > 1
    }

    /// Returns the servers in the order in which to try them.
    pub fn in_order(&self) -> Vec<&Host> {
        let hosts = self.hosts.iter();
        let (deferred, first): (Vec<_>, Vec<_>) = hosts.partition(|host| host.is_deferred());
        first.into_iter().chain(deferred).collect()
    }

    /// Returns the servers in the order in which to try them, with the one that was used last before the others, unless it
    /// failed meanwhile. After a failover the former primary may come back as another one that takes writes: it must not be used beside the new one.
    pub fn last_used_first(&self) -> Vec<&Host> {
        let mut hosts = self.in_order();
        let last = self.hosts.get(self.last.load(Relaxed));
        let is_last = |host: &&Host| {
            last.is_some_and(|last| std::ptr::eq(*host, last)) && !host.is_deferred()
        };
        if let Some(position) = hosts.iter().position(is_last) {
            let last = hosts.remove(position);
            hosts.insert(0, last);
        }
        hosts
    }

    /// Records that the server is used.
    pub fn use_host(&self, used: &Host) {
        used.set_failed_at(None);
        if let Some(position) = self.hosts.iter().position(|host| std::ptr::eq(host, used)) {
            self.last.store(position, Relaxed);
        }
    }
}

impl Host {
    /// Defers the server for a while.
    pub fn defer(&self) {
        self.set_failed_at(Some(Instant::now()));
    }

    fn is_deferred(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < DEFERRED_FOR)
    }

    fn set_failed_at(&self, at: Option<Instant>) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(hosts: Vec<&Host>) -> String {
        hosts.into_iter().map(|host| host.name.as_str()).collect()
    }

    fn abc() -> Hosts {
        Hosts::new(["a", "b", "c"].map(|name| (name.to_owned(), name.to_owned())))
    }

    #[test]
    fn a_server_that_failed_is_tried_after_the_others() {
        let hosts = abc();
        assert_eq!(order(hosts.in_order()), "abc");
        hosts.hosts[0].defer();
        assert_eq!(order(hosts.in_order()), "bca");
        hosts.hosts[2].defer();
        assert_eq!(order(hosts.in_order()), "bac");
    }

    #[test]
    fn the_server_in_use_is_tried_first() {
        let hosts = abc();
        for (used, expected) in [(1, "bac"), (2, "cab"), (0, "abc")] {
            hosts.use_host(&hosts.hosts[used]);
            assert_eq!(order(hosts.last_used_first()), expected);
        }
        // A failover: both fail, the second is promoted, and the first comes back.
        hosts.hosts[0].defer();
        hosts.hosts[1].defer();
        assert_eq!(order(hosts.last_used_first()), "cab");
        hosts.use_host(&hosts.hosts[1]);
        assert_eq!(order(hosts.last_used_first()), "bca");
        hosts.hosts[1].defer();
        assert_eq!(order(hosts.last_used_first()), "cab");
    }
}
