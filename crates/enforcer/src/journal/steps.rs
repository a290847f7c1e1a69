//! Where the writing of an image stands, and whether it is still wanted.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A part of the set is copied.
    Part(usize),
    /// All is written, and is read back.
    Written,
    /// It was read back.
    Verified,
}

/// Is told of a step, which waits for it.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(Step) + Send + Sync>);

#[cfg(test)]
impl Observer {
    pub(crate) fn of(observe: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

#[cfg(test)]
impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Looked at before each step. A clone looks at the same.
#[derive(Clone, Default)]
pub(super) struct Steps {
    cancelled: Arc<AtomicBool>,
    /// Told of each step; the step waits for it.
    #[cfg(test)]
    observer: Option<Observer>,
}

impl Steps {
    #[cfg(test)]
    pub(super) fn observed(observer: Option<Observer>) -> Self {
        Self {
            observer,
            ..Self::default()
        }
    }

    /// An error once nobody wants the image any more.
    pub(super) fn at(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        if let Some(observer) = &self.observer {
            (observer.0)(step);
        }
        self.go_on(step)
    }

    /// As [`Self::at`], within a step: nobody is told.
    pub(super) fn go_on(&self, before: impl fmt::Debug) -> io::Result<()> {
        match self.cancelled.load(Ordering::Relaxed) {
            true => Err(io::Error::other(format!("cancelled before {before:?}"))),
            false => Ok(()),
        }
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps")
            .field("cancelled", &self.cancelled)
            .finish_non_exhaustive()
    }
}
