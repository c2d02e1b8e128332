//! Notices that newer servers have taken something out of the schema that this program needs: it must stop then, softly.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use config::{Config, Database};
use store::Store;
use supervisor::Supervisor;

/// How often it is looked.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Says once that this program must stop, and why.
#[derive(Clone)]
pub struct SchemaWatch {
    outdated: watch::Receiver<Option<String>>,
}

impl SchemaWatch {
    /// Looks from now on. Nobody else changes a schema that a server has for itself.
    pub fn start(timers: &mut JoinSet<()>, config: &Config, store: &Store, supervisor: &Supervisor) -> Self {
        let (sender, outdated) = watch::channel(None);
        match config.database {
            Database::Sqlite => {}
            Database::Postgres(_) => {
                let look = look(store.clone(), sender);
                timers.spawn(supervisor.clone().watch("watch of the schema", look));
            }
        }
        Self { outdated }
    }

    /// The sentence, as soon as there is one.
    pub async fn outdated(mut self) -> String {
        match self.outdated.wait_for(Option::is_some).await {
            Ok(sentence) => sentence.clone().unwrap_or_default(),
            // Nobody looks.
            Err(_) => std::future::pending().await,
        }
    }
}

/// What cannot be read now is seen by the next look. It never ends: a watch that did would be a bug.
async fn look(store: Store, outdated: watch::Sender<Option<String>>) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        if let Ok(Some(sentence)) = store.upkeep.outdated().await {
            outdated.send_replace(Some(sentence));
        }
    }
}
