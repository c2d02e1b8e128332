//! What nodes hear of each other, when there is only one.

use store::fleet::FleetNews;

use crate::cases;

use super::fixture::Fixture;
use super::samples;

cases! {
    settings::fleet;

    async fn a_node_alone_hears_of_nobody(fixture: Fixture) {
        fixture.plant_bystanders().await;
        let news = fixture.fleet().news(samples::now()).await.unwrap();
        assert_eq!(news, FleetNews::default(), "tests are no part of the feed");
    }
}
