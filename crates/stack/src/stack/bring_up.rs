//! Starts the parts in order, each when those that it needs are truly ready.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;

use super::{Stack, build::StackBuilder};
use crate::{parts::Part, probe};

/// Returns when all parts are ready, but for those that are left out.
pub(super) async fn bring_up(stack: &Stack, plan: &StackBuilder) -> Result<()> {
    for group in [
        &[Part::Epmd][..],
        &[Part::Broker, Part::Upstream],
        &[Part::Standin],
        &[Part::Adapter],
        &[Part::Enforcer],
        &[Part::Envoy],
    ] {
        let group: Vec<Part> = group
            .iter()
            .copied()
            .filter(|part| stack.parts.contains_key(part) && !plan.left_out.contains(part))
            .collect();
        for part in &group {
            stack.launch(*part).await?;
        }
        for part in group {
            stack.first_ready(part).await?;
        }
    }
    let has_all = |parts: &[Part]| {
        parts
            .iter()
            .all(|part| stack.parts.contains_key(part) && !plan.left_out.contains(part))
    };
    if has_all(&[Part::Envoy, Part::Enforcer]) {
        see_the_refusal(stack).await?;
    }
    for (part, port) in [
        (Part::Standin, stack.ports.standin),
        (Part::Adapter, stack.ports.adapter_admin),
    ] {
        if has_all(&[part]) {
            see_it_sound(stack, plan, part, port).await;
        }
    }
    Ok(())
}

/// A request without a credential comes back as 401 only when Envoy reaches an enforcer that can decide.
async fn see_the_refusal(stack: &Stack) -> Result<()> {
    let url = format!("https://localhost:{}/", stack.ports.envoy_tls);
    let refusal = probe::until(&stack.client, &url, |status| status == 401);
    timeout(Duration::from_secs(30), refusal)
        .await
        .with_context(|| {
            format!(
                "Envoy does not get an answer of the enforcer\n{}",
                stack.part(Part::Envoy).last_lines()
            )
        })
}

/// The connection to the hub and the first reading of the list may take a moment longer than the part itself.
async fn see_it_sound(stack: &Stack, plan: &StackBuilder, part: Part, port: u16) {
    let url = format!("https://localhost:{port}/readyz");
    let sound = async {
        while !probe::degraded(&stack.client, &url).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if timeout(SOUND_LIMIT, sound).await.is_ok() {
        return;
    }
    if let Some(terminal) = plan.terminal {
        for what in probe::degraded(&stack.client, &url).await {
            terminal.say(&format!("{part} works, but: {what}"));
        }
    }
}

const SOUND_LIMIT: Duration = Duration::from_secs(20);
