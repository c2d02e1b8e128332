//! The services that a webhook is limited to: those chosen, and those that a search finds, however many there are. Works one load at
//! a time without a script.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::layout::choices::{Choice, all_services};
use crate::layout::error::PageError;
use crate::layout::form::Form;
use crate::layout::render;
use crate::state::WebState;
use model::service::Service;

/// How many services are offered at once beside those that are chosen.
const OFFERED: usize = 50;
/// The longest text that is searched for, in characters.
const MAX_SEARCH_LENGTH: usize = 200;

/// What a form shows of services.
#[derive(Default)]
pub struct ServicePicker {
    /// The ids of those that are chosen.
    ids: Vec<String>,
    /// What is searched for.
    pub search: String,
    /// Those that are chosen, by name.
    pub chosen: Vec<Choice>,
    /// Others that the search finds, by name, up to [`OFFERED`].
    pub offered: Vec<Choice>,
    /// How many more it finds.
    pub more: usize,
    /// How many services there are.
    pub total: usize,
}

impl ServicePicker {
    /// A picker in which these are chosen.
    pub fn new(ids: Vec<String>) -> Self {
        Self {
            ids,
            ..Self::default()
        }
    }

    /// The picker of a form.
    pub fn typed(form: &Form) -> Self {
        Self {
            search: form
                .text("serviceSearch")
                .chars()
                .take(MAX_SEARCH_LENGTH)
                .collect(),
            ..Self::new(form.all("services"))
        }
    }

    /// Puts the names of services in.
    pub async fn filled(self, state: &WebState) -> Result<Self, PageError> {
        let mut services = all_services(state).await?;
        // A service that is chosen stays so, however many there are: none at all would mean every one.
        for id in &self.ids {
            if let Ok(id) = id.parse()
                && !services.iter().any(|service| service.id == id)
            {
                services.extend(state.store.services.get(id).await.ok());
            }
        }
        Ok(self.with(services))
    }

    fn with(mut self, services: Vec<Service>) -> Self {
        self.total = services.len();
        let wanted = self.search.to_lowercase();
        for service in services {
            let id = service.id.to_string();
            let is_chosen = self.ids.contains(&id);
            let is_found = service.name.to_lowercase().contains(&wanted);
            let choice = Choice {
                value: id,
                name: service.name,
                is_chosen,
            };
            match (is_chosen, is_found) {
                (true, _) => self.chosen.push(choice),
                (false, true) if self.offered.len() < OFFERED => self.offered.push(choice),
                (false, true) => self.more += 1,
                (false, false) => {}
            }
        }
        self
    }

    /// Whether all are in view without a search.
    pub fn is_short(&self) -> bool {
        self.total <= OFFERED / 5
    }
}

#[derive(Template)]
#[template(path = "webhooks/service_picker.html")]
struct PickerPart<'a> {
    picker: &'a ServicePicker,
}

/// `POST /settings/integrations/find-services`: a piece of a page, for the script.
pub async fn find(State(state): State<WebState>, form: Form) -> Result<Response, PageError> {
    let picker = ServicePicker::typed(&form).filled(&state).await?;
    render(&PickerPart { picker: &picker })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::id::ServiceId;
    use model::time::Timestamp;

    fn services(count: u16) -> Vec<Service> {
        let service = |number: u16| {
            let mut random = [0; 10];
            random[..2].copy_from_slice(&number.to_be_bytes());
            Service {
                id: ServiceId::new(Timestamp::from_millis(1), random),
                name: format!("Payments {number:03}"),
                description: None,
                policy_id: None,
                created_at: Timestamp::from_millis(1),
            }
        };
        (0..count).map(service).collect()
    }

    fn names(choices: &[Choice]) -> Vec<&str> {
        choices.iter().map(|choice| choice.name.as_str()).collect()
    }

    #[test]
    fn of_six_hundred_services_no_more_are_offered_than_a_page_holds() {
        let picker = ServicePicker::default().with(services(600));
        assert_eq!(
            (picker.offered.len(), picker.more, picker.total),
            (OFFERED, 550, 600)
        );
        assert!(!picker.is_short() && ServicePicker::default().with(services(10)).is_short());
    }

    #[test]
    fn what_is_chosen_stays_in_view_whatever_is_searched_for() {
        let services = services(60);
        let form = Form::new(&[
            ("services", &services[7].id.to_string()),
            ("serviceSearch", " PAYMENTS 05 "),
        ]);
        let picker = ServicePicker::typed(&form).with(services);
        assert_eq!(names(&picker.chosen), ["Payments 007"]);
        assert_eq!(
            (names(&picker.offered)[0], picker.offered.len(), picker.more),
            ("Payments 050", 10, 0)
        );
    }
}
