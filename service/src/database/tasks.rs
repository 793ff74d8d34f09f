//! Bounded concurrent tasks: the counterpart of `asyncio.TaskGroup`.

use std::{
    future::{Future, pending},
    sync::Arc,
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::Result;

/// Runs `job` on each input in a task of its own, at most `limit` at once, and returns the results in the order of the
/// inputs. The first failure aborts the running jobs and starts no other.
pub async fn in_tasks<In, Out, Job, Running>(
    inputs: impl IntoIterator<Item = In>,
    limit: usize,
    job: Job,
) -> Result<Vec<Out>>
where
    Out: Send + 'static,
    Job: Fn(In) -> Running,
    Running: Future<Output = Result<Out>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(limit));
    let mut tasks = JoinSet::new(); // Aborts its tasks when it is dropped.
    for (position, input) in inputs.into_iter().enumerate() {
        let (permits, job) = (Arc::clone(&permits), job(input));
        tasks.spawn(async move {
            // The semaphore is closed only when all tasks are about to be aborted.
            let Ok(_permit) = permits.acquire().await else { return pending().await };
            let outcome = job.await;
            if outcome.is_err() {
                permits.close(); // Before this permit is released.
            }
            outcome.map(|output| (position, output))
        });
    }
    let mut done = Vec::with_capacity(tasks.len());
    while let Some(finished) = tasks.join_next().await {
        done.push(finished??);
    }
    done.sort_unstable_by_key(|(position, _)| *position);
    Ok(done.into_iter().map(|(_, output)| output).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;
    use crate::Error;

    /// Counter of the instances that exist.
    struct Alive(Arc<AtomicUsize>);

    impl Alive {
        fn new(count: &Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, SeqCst);
            Self(Arc::clone(count))
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    #[tokio::test]
    async fn results_are_in_the_order_of_the_inputs_and_tasks_are_bounded() {
        let alive = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let doubled = in_tasks(0..100_u32, 4, |n| {
            let (alive, most) = (Arc::clone(&alive), Arc::clone(&most));
            async move {
                let _alive = Alive::new(&alive);
                most.fetch_max(alive.load(SeqCst), SeqCst);
                for _ in 0..(100 - n) % 7 {
                    tokio::task::yield_now().await;
                }
                Ok(n * 2)
            }
        });
        let expected: Vec<_> = (0..100).map(|n| n * 2).collect();
        assert_eq!(doubled.await.unwrap(), expected);
        assert_eq!(most.load(SeqCst), 4);
    }

    #[tokio::test]
    async fn the_first_failure_aborts_the_others() {
        let alive = Arc::new(AtomicUsize::new(0));
        let started = Arc::new(AtomicUsize::new(0));
        let outcome = in_tasks(0..100, 4, |n| {
            let (alive, started) = (Arc::clone(&alive), Arc::clone(&started));
            async move {
                let _alive = Alive::new(&alive);
                started.fetch_add(1, SeqCst);
                if n == 3 {
                    return Err(Error::NotEmpty);
                }
                std::future::pending().await
            }
        });
        let outcome: Result<Vec<()>> = outcome.await;
        assert!(matches!(outcome, Err(Error::NotEmpty)));
        while alive.load(SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(started.load(SeqCst), 4);
    }
}
