//! Deadlines that cost nothing while things go well.
//!
//! A connection arms a timer only when it really has to wait, and a timer once armed for an earlier
//! moment is left as it is: when it goes off too early it is set anew. So a busy connection touches
//! the runtime's timer wheel once a minute, not once a request, and yet no wait is without a limit.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer of a connection; it serves one wait at a time.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    /// Waits for `work`, at most until `deadline`.
    pub(crate) async fn until<T>(
        &mut self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        self.race(|| deadline, work).await
    }

    /// Waits for `work`, at most this long from the first time it has to wait.
    pub(crate) async fn within<T>(
        &mut self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        self.race(|| Instant::now() + limit, work).await
    }

    async fn race<T>(
        &mut self,
        deadline: impl Fn() -> Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut work = pin!(work);
        let mut due = None;
        std::future::poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => {
                let due = *due.get_or_insert_with(&deadline);
                self.poll_elapsed(due, context).map(|()| Err(Elapsed))
            }
        })
        .await
    }

    fn poll_elapsed(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests;
