//! Asking a ticket system something beside deliveries: the adapter's pure step function, with requests in between.
//! Nothing of it is recorded; a question that was interrupted is asked anew.

use std::time::Duration;

use crate::deliver::{Deliverer, unsigned_request};
use crate::masking::{Masks, made_for};
use crate::prepared::Prepared;
use destination::task::{Pause, Rendered, Token};
use destination::ticketing::{MAX_QUERY_REQUESTS, QueryContext, QueryResult, QueryStep, TicketQuery};
use model::attempt::Failure;
use model::exchange::{Exchange, FailureCode};

/// How long a question may take in all.
const MAX_TIME: Duration = Duration::from_secs(90);

/// What came of a question.
pub struct QueryOutcome {
    /// The answer, or why there is none, without secrets.
    pub answer: Result<QueryResult, Failure>,
    /// Who has to wait.
    pub pause: Option<Pause>,
}

impl From<Failure> for QueryOutcome {
    fn from(failure: Failure) -> Self {
        Self {
            answer: Err(failure),
            pause: None,
        }
    }
}

/// Asks.
pub async fn run(deliverer: &Deliverer, prepared: &Prepared, question: &TicketQuery) -> QueryOutcome {
    let mut secrets = Vec::new();
    let conversation = run_requests(deliverer, prepared, question, &mut secrets);
    let Ok(mut outcome) = tokio::time::timeout(MAX_TIME, conversation).await else {
        let detail = "the ticket system took too long to answer all that it was asked";
        return Failure::new(FailureCode::ResponseTimeout, detail).into();
    };
    let masks = Masks::new(&prepared.credentials, secrets);
    match &mut outcome.answer {
        Err(failure) => failure.detail = masks.text(std::mem::take(&mut failure.detail)),
        Ok(QueryResult::Findings(findings)) => {
            for finding in findings {
                finding.sentence = masks.text(std::mem::take(&mut finding.sentence));
            }
        }
        Ok(_) => {}
    }
    outcome
}

/// Notes in `secrets` what was made for the requests and must not be told.
async fn run_requests(
    deliverer: &Deliverer,
    prepared: &Prepared,
    question: &TicketQuery,
    secrets: &mut Vec<String>,
) -> QueryOutcome {
    let Some(ticketing) = prepared.adapter.ticketing() else {
        return Failure::new(
            FailureCode::RequestInvalid,
            "this kind of webhook makes no tickets",
        )
        .into();
    };
    let mut token = match token(deliverer, prepared).await {
        Ok(token) => token,
        Err(failure) => return failure.into(),
    };
    let mut answers: Vec<Exchange> = Vec::new();
    for _ in 0..MAX_QUERY_REQUESTS {
        let asking = QueryContext {
            webhook: &prepared.webhook,
            target: &prepared.target,
            token: token.as_ref(),
            query: question,
            answers: &answers,
            now: deliverer.source.now(),
        };
        let rendered = match ticketing.query(&asking) {
            QueryStep::Send(rendered) => *rendered,
            QueryStep::Done(answer) => {
                return QueryOutcome {
                    answer: Ok(answer),
                    pause: None,
                };
            }
            QueryStep::Failed(failure, pause) => {
                return QueryOutcome {
                    answer: Err(failure),
                    pause,
                };
            }
        };
        secrets.extend(made_for(&rendered, false, b""));
        let exchange = send(deliverer, prepared, rendered).await;
        if answers.is_empty() && must_renew(deliverer, prepared, token.as_ref(), &exchange) {
            token = match self::token(deliverer, prepared).await {
                Ok(token) => token,
                Err(failure) => return failure.into(),
            };
            continue;
        }
        answers.push(exchange);
    }
    Failure::new(
        FailureCode::TooManySteps,
        "the question took more requests than any should",
    )
    .into()
}

/// Whether a first answer says that the token has ended before its time.
fn must_renew(
    deliverer: &Deliverer,
    prepared: &Prepared,
    token: Option<&Token>,
    exchange: &Exchange,
) -> bool {
    let is_refused = exchange
        .result
        .as_ref()
        .is_ok_and(|response| response.status == 401);
    is_refused && token.is_some_and(|token| prepared.token.refused(token, deliverer.source.now()))
}

/// The access token, fetched if there is none; nothing if the kind needs none.
async fn token(deliverer: &Deliverer, prepared: &Prepared) -> Result<Option<Token>, Failure> {
    let Some(tokens) = prepared.adapter.tokens(&prepared.target) else {
        return Ok(None);
    };
    let _turn = prepared.token.turn().await;
    if let Some(token) = prepared.token.get(deliverer.source.now()) {
        return Ok(Some(token));
    }
    let exchange = send(deliverer, prepared, tokens.request(&prepared.target)?).await;
    let token = tokens.read(&exchange, deliverer.source.now())?;
    prepared.token.put(token.clone());
    Ok(Some(token))
}

async fn send(deliverer: &Deliverer, prepared: &Prepared, rendered: Rendered) -> Exchange {
    deliverer.client.send(unsigned_request(prepared, rendered)).await
}
