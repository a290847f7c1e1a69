//! A log that a test can read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

use super::{Filter, Format, LogConfig, subscriber};

#[derive(Debug, Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What has been written so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Takes this thread's events, in text, as long as the guard lives.
    pub(crate) fn as_default(&self, level: &str) -> DefaultGuard {
        self.as_default_in(Format::Text, level)
    }

    pub(crate) fn as_default_in(&self, format: Format, level: &str) -> DefaultGuard {
        let writer = self.clone();
        let level = Filter::try_from(level.to_owned()).unwrap();
        tracing::subscriber::set_default(subscriber(&LogConfig { format, level }, move || {
            writer.clone()
        }))
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
