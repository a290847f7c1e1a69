//! From a description to a running stack: refuse early, prepare, then start.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};

use super::{
    Kept, Layout, Stack, announce::Announcer, bring_up::bring_up, build::StackBuilder, clerk,
    ground::Ground, programs::programs,
};
use crate::{
    files,
    journal::{self, Journal},
    keeper::{Keeper, Status},
    lock::StateLock,
    parts::Program,
    ports::Reservation,
    variables,
    warden::Warden,
};

pub(super) async fn start(plan: StackBuilder) -> Result<Stack> {
    let layout = Layout::new(&absolute(&plan.state)?);
    files::private_folder(&layout.logs())?;
    let lock = StateLock::take(&layout.state)?;
    // One that an earlier stack left would be taken for ours.
    let _ = fs::remove_file(layout.env());
    let left = journal::end_leftovers(&layout.state).await?;
    if let Some(terminal) = plan.terminal.filter(|_| !left.is_empty()) {
        terminal.say(&format!(
            "ended what an earlier stack left: {}",
            left.join(", ")
        ));
    }
    let (ground, reservation) = Ground::prepare(&plan, layout).await?;
    let programs = programs(&plan, &ground)?;
    let stack = assemble(&plan, ground, programs, reservation, lock)?;
    bring_up(&stack, &plan).await?;
    stack.announcer.announce()?;
    Ok(stack)
}

fn assemble(
    plan: &StackBuilder,
    ground: Ground,
    programs: Vec<Program>,
    reservation: Option<Reservation>,
    lock: StateLock,
) -> Result<Stack> {
    let layout = &ground.layout;
    files::fresh_log(&layout.own_log())?;
    for program in &programs {
        files::fresh_log(&program.log)?;
    }
    let fixed = variables::fixed(
        &ground.world,
        &ground.ports,
        &ground.certs,
        &ground.credentials,
        &ground.hub,
        layout,
    )?;
    let warden = Warden::start(&plan.binary("rescind-stack")?, &layout.env())?;
    let journal = Arc::new(Journal::begin(&layout.state, warden));
    // Nothing below may fail: a runtime must not be dropped here, where others run.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("stack")
        .enable_all()
        .build()
        .context("cannot start the supervision")?;
    let (notices, heard) = mpsc::unbounded_channel();
    let mut parts = BTreeMap::new();
    for program in programs {
        let (orders, orders_rx) = mpsc::channel(1);
        let (status_tx, status) = watch::channel(Status::Down);
        parts.insert(program.part, Kept { orders, status });
        let keeper = Keeper {
            program,
            journal: journal.clone(),
            orders: orders_rx,
            status: status_tx,
            notices: notices.clone(),
        };
        runtime.spawn(keeper.run());
    }
    let status = parts
        .iter()
        .map(|(part, kept)| (*part, kept.status.clone()))
        .collect();
    let announcer = Arc::new(Announcer::new(layout.env(), fixed, status));
    runtime.spawn(clerk::listen(
        heard,
        announcer.clone(),
        layout.own_log(),
        plan.terminal,
    ));
    Ok(Stack {
        layout: ground.layout,
        ports: ground.ports,
        certs: ground.certs,
        hub: ground.hub,
        client: ground.client,
        parts,
        announcer,
        journal,
        runtime: Some(runtime),
        _reservation: reservation,
        _lock: lock,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    files::private_folder(path)?;
    fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))
}
