//! Copies of the whole store, by those that make them.

use model::audit::Change;
use store::StoreError;

use crate::{Opening, cases};

use super::fixture::Fixture;
use super::samples;

fn change(fixture: &Fixture) -> Change {
    fixture.source.change(samples::actor(&fixture.source))
}

cases! {
    settings::backups;

    async fn a_backup_opens_as_a_store_with_everything_in_it(fixture: Fixture) {
        use std::os::unix::fs::PermissionsExt;
        let bystanders = fixture.plant_bystanders().await;
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("opsknight.db");
        assert_eq!(
            fixture.upkeep().backup(to.clone(), change(&fixture)).await,
            Ok(())
        );
        let mode = std::fs::metadata(&to).unwrap().permissions().mode() & 0o777;
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((mode, files), (0o600, 1));
        let copy = fixture.backend().open_backup(&to, &Opening::default()).await.unwrap();
        let webhook = copy.endpoints.load(bystanders.webhook.id).await;
        assert_eq!(webhook.unwrap().unwrap().secrets, bystanders.secrets);
        assert_eq!(fixture.see(&bystanders).await, bystanders);
    }

    async fn a_backup_never_overwrites_a_file(fixture: Fixture) {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("precious");
        std::fs::write(&to, "precious").unwrap();
        let refused = fixture.upkeep().backup(to.clone(), change(&fixture)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        assert_eq!(std::fs::read_to_string(to).unwrap(), "precious");
        let nowhere = fixture
            .upkeep()
            .backup("/no/such/folder/copy".into(), change(&fixture))
            .await;
        assert!(matches!(nowhere, Err(StoreError::Unavailable(_))), "{nowhere:?}");
    }
}
