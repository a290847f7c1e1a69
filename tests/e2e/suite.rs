//! The harness: named tests over a shared stack or over one of their own, and the end of all of it.

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use tokio::{runtime::Runtime, sync::OnceCell};

use crate::world::{Broker, World};

/// The tests, and what they share.
pub(crate) struct Suite {
    trials: Vec<Trial>,
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Runtime,
    broker: OnceCell<Broker>,
    world: OnceCell<World>,
}

impl Shared {
    async fn broker(&self) -> &Broker {
        self.broker.get_or_init(Broker::start).await
    }

    async fn world(&self) -> &World {
        self.world
            .get_or_init(async || World::start(self.broker().await).await)
            .await
    }
}

impl Suite {
    /// A test that breaks nothing: it runs beside others on the shared stack.
    pub(crate) fn shared(&mut self, name: &str, test: impl AsyncFnOnce(&World) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.add(name, move || {
            shared
                .runtime
                .block_on(async { test(shared.world().await).await })
        });
    }

    /// A test that starts what it needs by itself, on the shared broker.
    pub(crate) fn alone(&mut self, name: &str, test: impl AsyncFnOnce(&Broker) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.add(name, move || {
            shared
                .runtime
                .block_on(async { test(shared.broker().await).await })
        });
    }

    /// A test that starts even its broker by itself.
    pub(crate) fn own_broker(&mut self, name: &str, test: impl AsyncFnOnce() + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.add(name, move || shared.runtime.block_on(test()));
    }

    fn add(&mut self, name: &str, test: impl FnOnce() + Send + 'static) {
        self.trials.push(Trial::test(name, move || {
            test();
            Ok(())
        }));
    }
}

/// Runs the tests that the command line asks for and ends every process that they started.
pub(crate) fn run(fill: impl FnOnce(&mut Suite)) -> ExitCode {
    let runtime = Runtime::new().expect("a runtime");
    let shared = Arc::new(Shared {
        runtime,
        broker: OnceCell::new(),
        world: OnceCell::new(),
    });
    let mut suite = Suite {
        trials: Vec::new(),
        shared,
    };
    fill(&mut suite);

    let conclusion = libtest_mimic::run(&Arguments::from_args(), suite.trials);
    let Some(shared) = Arc::into_inner(suite.shared) else {
        return conclusion.exit_code();
    };
    let Shared {
        runtime,
        broker,
        world,
    } = shared;
    runtime.block_on(async {
        if let Some(world) = world.into_inner() {
            world.stop().await;
        }
        if let Some(broker) = broker.into_inner() {
            broker.stop().await;
        }
    });
    conclusion.exit_code()
}
