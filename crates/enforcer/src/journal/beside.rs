//! An image that is written on a thread of its own, while the log goes on.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use rescind_revocation::RevokedSet;

use super::{State, directory, image, record::FileHeader, steps::Steps};

/// An image on its way. Dropped, it is given up, and leaves no file unless it was whole already.
#[derive(Debug)]
pub(super) struct Beside {
    thread: Option<JoinHandle<io::Result<u64>>>,
    steps: Steps,
}

/// What goes into an image.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) header: FileHeader,
    pub(super) set: Arc<RevokedSet>,
    /// As it was when the log was begun that continues the image.
    pub(super) state: State,
    pub(super) marks: Vec<u8>,
}

impl Beside {
    pub(super) fn write(path: PathBuf, content: Content, steps: Steps) -> io::Result<Self> {
        let observed = steps.clone();
        let write = move || {
            let Content {
                header,
                set,
                state,
                marks,
            } = content;
            image::write(&path, header, &set, &state, &marks, &observed)
        };
        let thread = thread::Builder::new()
            .name("image".to_owned())
            .spawn(write)?;
        Ok(Self {
            thread: Some(thread),
            steps,
        })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// The length of the image. Waits for it.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.join()
    }

    fn join(&mut self) -> io::Result<u64> {
        let gone = || io::Error::other("its thread has ended");
        let thread = self.thread.take().ok_or_else(gone)?;
        thread.join().unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.steps.cancel();
        let _ = self.join();
    }
}

/// An old log that is being closed, and its image that is being removed: for large files that takes a while.
#[derive(Debug)]
pub(super) struct Removal(Option<JoinHandle<()>>);

impl Removal {
    /// `log` has no name any more: its blocks are freed when it is closed.
    pub(super) fn of(log: File, image: Option<PathBuf>) -> Self {
        let remove = move || {
            drop(log);
            // What is left is removed at the next start.
            drop(image.map(|path| directory::remove(&path)));
        };
        Self(
            thread::Builder::new()
                .name("image".to_owned())
                .spawn(remove)
                .ok(),
        )
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
