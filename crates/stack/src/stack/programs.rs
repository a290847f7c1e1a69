//! How each part is started: its program, its configuration, written here, and the sign that it is ready.

use std::{ffi::OsString, path::PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::{build::StackBuilder, ground::Ground};
use crate::{
    broker, config, envoy, files, journal,
    parts::{Part, Program},
    probe::Probe,
};

/// What differs between the parts.
struct Start {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    probe: Probe,
}

/// All the parts that this stack has.
pub(super) fn programs(plan: &StackBuilder, ground: &Ground) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for part in Part::ALL {
        if !plan.has(&ground.world, part) {
            continue;
        }
        match ground.start_of(plan, part) {
            Ok(start) => programs.extend(start.map(|start| ground.program(plan, part, start))),
            // A part that is not to be started may lack its program.
            Err(_) if plan.left_out.contains(&part) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(programs)
}

impl Ground {
    fn program(&self, plan: &StackBuilder, part: Part, start: Start) -> Program {
        let mut environment = start.environment;
        environment.push((journal::MARK.to_owned(), self.layout.state.clone().into()));
        let more = plan.variables.get(&part).into_iter().flatten();
        environment.extend(more.map(|(name, value)| (name.clone(), OsString::from(value))));
        Program {
            part,
            path: start.path,
            arguments: start.arguments,
            environment,
            clean: part == Part::Broker,
            log: self.layout.log(part),
            probe: start.probe,
        }
    }

    /// None where a foreign program is neither there nor needed.
    fn start_of(&self, plan: &StackBuilder, part: Part) -> Result<Option<Start>> {
        match part {
            Part::Epmd => Ok(self.epmd()),
            Part::Broker => self.broker(plan),
            Part::Upstream => self.upstream(plan).map(Some),
            Part::Standin => self.standin(plan).map(Some),
            Part::Adapter => self.adapter(plan).map(Some),
            Part::Enforcer => self.enforcer(plan).map(Some),
            Part::Envoy => self.envoy(plan),
        }
    }

    fn epmd(&self) -> Option<Start> {
        let rabbitmq = self.tools.rabbitmq.as_ref()?;
        Some(Start {
            path: rabbitmq.epmd.clone(),
            arguments: broker::epmd(&self.ports),
            environment: Vec::new(),
            probe: Probe::Connect(self.ports.epmd),
        })
    }

    fn broker(&self, plan: &StackBuilder) -> Result<Option<Start>> {
        let Some(rabbitmq) = &self.tools.rabbitmq else {
            return Ok(None);
        };
        let folder = self.layout.data(Part::Broker);
        Ok(Some(Start {
            path: rabbitmq.bin.join("rabbitmq-server"),
            arguments: Vec::new(),
            environment: broker::prepare(&folder, rabbitmq, &self.ports, &self.certs, plan.broker)?,
            probe: Probe::Amqp(self.ports.broker),
        }))
    }

    fn upstream(&self, plan: &StackBuilder) -> Result<Start> {
        let port = self.ports.upstream;
        Ok(Start {
            path: plan.binary("rescind-stack")?,
            arguments: ["upstream", "--port", &port.to_string()]
                .map(OsString::from)
                .to_vec(),
            environment: Vec::new(),
            probe: self.page(format!("http://localhost:{port}/")),
        })
    }

    fn standin(&self, plan: &StackBuilder) -> Result<Start> {
        let state = self.layout.data(Part::Standin);
        let config = config::standin(
            &self.ports,
            &self.certs,
            &self.credentials,
            &state,
            &self.hub,
            plan.list_form,
        );
        self.of_ours(plan, Part::Standin, &config, self.ports.standin)
    }

    fn adapter(&self, plan: &StackBuilder) -> Result<Start> {
        let ledger = self.layout.data(Part::Adapter);
        let control_plane = &self.world.control_plane;
        let config = config::adapter(&self.ports, &self.certs, control_plane, &ledger, &self.hub);
        self.of_ours(plan, Part::Adapter, &config, self.ports.adapter_admin)
    }

    fn enforcer(&self, plan: &StackBuilder) -> Result<Start> {
        let state = self.layout.data(Part::Enforcer);
        let config = config::enforcer(&self.ports, &self.certs, &self.believed, &state);
        self.of_ours(plan, Part::Enforcer, &config, self.ports.enforcer_admin)
    }

    fn envoy(&self, plan: &StackBuilder) -> Result<Option<Start>> {
        let Some(binary) = &self.tools.envoy else {
            return Ok(None);
        };
        let config = self.layout.config(Part::Envoy);
        let template = plan.envoy.as_deref().unwrap_or(envoy::TEMPLATE);
        files::replace(
            &config,
            &envoy::bootstrap(template, &self.ports, &self.certs, plan.h2),
        )?;
        // With hot restart Envoy asks to die with the thread that started it.
        let flags = [
            "--disable-hot-restart",
            "--concurrency",
            "2",
            "--config-path",
        ];
        let mut arguments = flags.map(OsString::from).to_vec();
        arguments.push(config.into());
        Ok(Some(Start {
            path: binary.clone(),
            arguments,
            environment: Vec::new(),
            probe: self.page(format!("http://localhost:{}/ready", self.ports.envoy_admin)),
        }))
    }

    /// A part that takes `--config` and has `/readyz` over HTTPS.
    fn of_ours(
        &self,
        plan: &StackBuilder,
        part: Part,
        config: &Value,
        admin: u16,
    ) -> Result<Start> {
        let file = self.layout.config(part);
        config::write(&file, config, plan.extra.get(&part).map(String::as_str))?;
        Ok(Start {
            path: plan.binary(&format!("rescind-{part}"))?,
            arguments: vec!["--config".into(), file.into()],
            environment: Vec::new(),
            probe: self.page(format!("https://localhost:{admin}/readyz")),
        })
    }

    fn page(&self, url: String) -> Probe {
        Probe::Page(self.client.clone(), url)
    }
}
