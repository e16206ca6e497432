//! What the frontend does for runs: it comes after history, and goes before it.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Error;

pub(crate) struct Hook<T: ?Sized>(Mutex<Option<Arc<T>>>);

impl<T: ?Sized> Hook<T> {
    pub(crate) fn set(&self, frontend: Option<Arc<T>>) {
        *self.0.lock() = frontend;
    }

    /// `Unavailable` before the wiring and after the shutdown.
    pub(crate) fn get(&self) -> Result<Arc<T>, Error> {
        self.0.lock().clone().ok_or(Error::Unavailable)
    }
}

impl<T: ?Sized> Default for Hook<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
