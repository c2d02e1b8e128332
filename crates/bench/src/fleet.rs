//! The servers of a round: one with a file of its own, or several that share a new database.

use std::time::Duration;

use anyhow::Context;

use crate::Setting;
use crate::fresh_database::{DatabaseCost, FreshDatabase};
use crate::load::Session;
use crate::past;
use crate::scratch::Scratch;
use crate::server::Server;
use crate::usage::Usage;

/// Opens what the servers seal; they hold nothing worth a secret one.
const MASTER_KEY: &str = "6f70736b6e696768742062656e6368206d6173746572206b6579203030303030";
/// What counts the round trips to the database.
const ROUND_TRIPS: &str = "opsknight_store_round_trips_total ";

/// How long servers that share a database take to hear of each other, and to agree on who serves what. Until then they leave
/// webhooks alone, as at every change of a fleet; a round measures what comes after.
const SETTLING: Duration = Duration::from_secs(6);

/// See the module.
pub struct Fleet {
    servers: Vec<Server>,
    database: Option<FreshDatabase>,
    _folders: Vec<Scratch>,
}

/// What a fleet has spent so far.
pub struct FleetCost {
    /// Processor time of the servers.
    pub cpu: Duration,
    /// The memory of the largest at its highest.
    pub peak_mib: f64,
    /// What their database has spent, and how often they asked it.
    pub database: Option<(DatabaseCost, u64)>,
}

impl Fleet {
    /// Starts it.
    pub async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let mut fleet = Self {
            servers: Vec::new(),
            database: None,
            _folders: Vec::new(),
        };
        if let Some(cluster) = &setting.cluster {
            fleet.database = Some(FreshDatabase::create(cluster).await?);
        }
        match fleet.start_servers(setting) {
            Ok(()) => {
                if fleet.servers.len() > 1 {
                    tokio::time::sleep(SETTLING).await;
                }
                Ok(fleet)
            }
            Err(error) => {
                fleet.stop().await?;
                Err(error)
            }
        }
    }

    /// Starts it on a data directory in which there was much before.
    pub async fn start_on_past(setting: &Setting, incidents: u32) -> anyhow::Result<Self> {
        let folder = Scratch::new(&setting.disk)?;
        past::write(&folder, incidents).await?;
        Ok(Self {
            servers: vec![Server::start(folder.path(), &[])?],
            database: None,
            _folders: vec![folder],
        })
    }

    fn start_servers(&mut self, setting: &Setting) -> anyhow::Result<()> {
        let url = self.database.as_ref().map(|database| database.url.as_str());
        let environment: Vec<(&str, &str)> = url
            .into_iter()
            .flat_map(|url| [("OPSKNIGHT_DATABASE", url), ("OPSKNIGHT_MASTER_KEY", MASTER_KEY)])
            .collect();
        // One after the other: the first makes the schema.
        for _ in 0..setting.nodes {
            let folder = Scratch::new(&setting.disk)?;
            self.servers.push(Server::start(folder.path(), &environment)?);
            self._folders.push(folder);
        }
        Ok(())
    }

    /// Its servers; there is one at least.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Opens a session with the first server.
    pub async fn session(&self) -> anyhow::Result<Session> {
        let first = self.servers.first().context("there is no server")?;
        Session::connect(first.address, Some(&first.key)).await
    }

    /// What it has spent so far.
    pub async fn cost(&self) -> anyhow::Result<FleetCost> {
        let usages: anyhow::Result<Vec<Usage>> = self.servers.iter().map(Server::usage).collect();
        let usages = usages?;
        let database = match &self.database {
            Some(database) => Some((database.cost().await?, self.round_trips().await?)),
            None => None,
        };
        Ok(FleetCost {
            cpu: usages.iter().map(|usage| usage.cpu).sum(),
            peak_mib: usages.iter().map(Usage::peak_mib).fold(0.0, f64::max),
            database,
        })
    }

    async fn round_trips(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for server in &self.servers {
            let mut session = Session::connect(server.address, Some(&server.key)).await?;
            let answer = session.get("/metrics").await?;
            let text = std::str::from_utf8(&answer.body)?;
            let count = text.lines().find_map(|line| line.strip_prefix(ROUND_TRIPS));
            let count = count.context("the server does not say how often it asked its database")?;
            sum += count.trim().parse::<u64>()?;
        }
        Ok(sum)
    }

    /// Stops the servers, and drops their database.
    pub async fn stop(self) -> anyhow::Result<()> {
        let stopped: anyhow::Result<()> = self.servers.into_iter().try_for_each(Server::stop);
        if let Some(database) = self.database {
            database.drop().await?;
        }
        stopped
    }
}
