//! One attempt of several deliveries of a webhook that leave in one request (decision 0030): each gets an attempt of its own on
//! record. What follows for each says [`super::finish_attempt`], as for one that leaves alone.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::deliver::{Deliverer, task, unsigned_request};
use crate::finish_attempt::{AttemptResult, Ending, RawAttempt, SentRequest, finish_one_of};
use crate::links::links;
use crate::masking::{MAX_KEPT_BODY_BYTES, Masks};
use crate::prepared::Prepared;
use crate::probe;
use destination::joint::{Joint, batch_id, refused};
use destination::task::{Classification, Links, Rendered, Task};
use model::attempt::{Disposition, Failure, SENT_TOGETHER};
use model::delivery::ClaimedDelivery;
use model::exchange::{BODY_CAP_BYTES, Exchange, FailureCode, OutboundRequest};
use model::time::Timestamp;

const BATCH: HeaderName = HeaderName::from_static("x-opsknight-batch");
/// What each attempt keeps of a body that it shares with many, at least.
const MIN_KEPT_BODY_BYTES: usize = 1024;

impl Deliverer {
    /// Sends deliveries of one webhook in one request, and says of each what that means. What is remembered of their incidents
    /// is left as it is, and nothing can be done to one from there.
    pub async fn attempt_together(
        &self,
        prepared: &Prepared,
        deliveries: &[ClaimedDelivery],
    ) -> Vec<AttemptResult> {
        let started_at = self.source.now();
        let links: Vec<_> = deliveries
            .iter()
            .map(|delivery| Links {
                acts: Vec::new(),
                ..links(prepared, &delivery.event, self.public_url.as_ref(), started_at)
            })
            .collect();
        let tasks = deliveries.iter().zip(&links);
        let tasks: Vec<_> = tasks
            .map(|(delivery, links)| task(prepared, delivery, links, started_at))
            .collect();
        let id = batch_id(&tasks);
        let mut made = match prepared.adapter.joint() {
            Some(joint) => self.make_together(prepared, joint, &tasks, &id).await,
            None => without_request(&tasks, &no_longer_joint().into()),
        };
        self.confirm_together(prepared, deliveries, &mut made).await;
        let ending = Ending::new(&self.source);
        let note = format!("{SENT_TOGETHER}{} others as batch {id}", deliveries.len() - 1);
        let results = made.into_iter().zip(deliveries).map(|(mut made, delivery)| {
            let said = made.classification.note.take();
            let note = said.map_or_else(|| note.clone(), |said| format!("{note}; {said}"));
            made.classification.note = Some(note);
            finish_one_of(&self.source, prepared, delivery, made, ending)
        });
        results.collect()
    }

    async fn make_together(
        &self,
        prepared: &Prepared,
        joint: &dyn Joint,
        tasks: &[Task<'_>],
        id: &str,
    ) -> Vec<RawAttempt> {
        let Some(started_at) = tasks.first().map(|task| task.now) else {
            return Vec::new();
        };
        let rendered = match joint.request(tasks) {
            Ok(rendered) => rendered,
            // One of the events cannot be sent: which one is found in smaller parts.
            Err(failure) if failure.disposition == Disposition::Permanent => {
                return without_request(tasks, &refused(tasks.len(), failure));
            }
            Err(failure) => return without_request(tasks, &failure.into()),
        };
        let build = |rendered| signed_request(prepared, rendered, id, started_at);
        let (mut sent, exchange) = self
            .send(prepared, &Bytes::new(), rendered, started_at, build)
            .await;
        let classifications = joint.classify(tasks, &exchange, self.source.now());
        let lost = || {
            Failure::new(
                FailureCode::ResponseInvalid,
                "the answer does not tell of each event",
            )
        };
        let missing = std::iter::repeat_with(|| Classification::from(lost()));
        keep_a_part(prepared, &mut sent, exchange, tasks.len());
        let classifications = classifications.into_iter().chain(missing).take(tasks.len());
        classifications
            .map(|classification| RawAttempt {
                sent: sent.clone(),
                classification,
            })
            .collect()
    }

    /// Looks again at a refusal that would disable the webhook, once for all of the deliveries that it met.
    async fn confirm_together(
        &self,
        prepared: &Prepared,
        deliveries: &[ClaimedDelivery],
        made: &mut [RawAttempt],
    ) {
        let needs_operator = |made: &RawAttempt| {
            let failure = made.classification.outcome.failure();
            failure.is_some_and(|failure| failure.disposition == Disposition::NeedsOperator)
        };
        // The one that was refused most often is looked at: the first refusal of one is none of the webhook yet.
        let refused = made
            .iter()
            .enumerate()
            .filter(|(_, made)| needs_operator(made))
            .map(|(place, _)| place);
        let refusals = |place: &usize| deliveries.get(*place).map(|delivery| delivery.spent.refusals);
        let place = refused.max_by_key(refusals).unwrap_or(0);
        let (Some(first), Some(delivery)) = (made.get_mut(place), deliveries.get(place)) else {
            return;
        };
        let was_refused = needs_operator(first);
        probe::confirm(self, prepared, delivery, first).await;
        if was_refused && !needs_operator(first) {
            let confirmed = first.classification.clone();
            for each in made.iter_mut().filter(|made| needs_operator(made)) {
                each.classification = confirmed.clone();
            }
        }
    }
}

/// The request of a batch, signed under the batch's id if its kind knows signatures.
fn signed_request(prepared: &Prepared, rendered: Rendered, id: &str, now: Timestamp) -> OutboundRequest {
    let mut request = unsigned_request(prepared, rendered);
    if let Some(signer) = prepared.signer(now) {
        let value = HeaderValue::try_from(id).ok();
        request.headers.extend(value.map(|value| (BATCH, value)));
        let signatures = signer.sign(id, now.as_seconds(), &request.body);
        request.headers.extend(signatures);
    }
    request
}

/// Of what is the same for all deliveries each keeps a part: all of them together keep about as much as one alone.
fn keep_a_part(prepared: &Prepared, sent: &mut SentRequest, mut exchange: Exchange, count: usize) {
    let masks = Masks::new(&prepared.credentials, sent.secrets.clone());
    let part = |whole: usize| (whole / count.max(1)).max(MIN_KEPT_BODY_BYTES);
    if let Some(body) = &mut sent.body {
        *body = masks.body(body, part(MAX_KEPT_BODY_BYTES));
    }
    if let Ok(response) = &mut exchange.result {
        let kept = masks.cut_body(&response.body, part(BODY_CAP_BYTES));
        response.body_is_truncated |= kept.len() < response.body.len();
        response.body = kept;
    }
    sent.exchange = Some(exchange);
}

fn without_request(tasks: &[Task<'_>], classification: &Classification) -> Vec<RawAttempt> {
    let made = |task: &Task<'_>| RawAttempt::without_request(task.now, classification.clone());
    tasks.iter().map(made).collect()
}

/// The webhook was changed in this moment.
fn no_longer_joint() -> Failure {
    let detail = "the webhook was changed meanwhile, and its events leave one by one";
    Failure::new(FailureCode::RequestInvalid, detail).with(Disposition::Immediate)
}
