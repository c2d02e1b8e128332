//! Asking the provider: what it says of itself and its keys, kept for a while; and what a code stands for.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::claims::Expected;
use crate::jws::{Key, Token, Verified, read_keys};
use crate::metadata::{Metadata, is_protected};
use crate::{Claims, OidcError, SignInFlow};
use clock::Env;
use model::exchange::{ConnectionUse, MAX_BODY_CAP_BYTES, OutboundRequest};
use model::secret::SecretText;
use model::transport::Transport;
use outbound::RequestSender;

/// How long one request to the provider may take: somebody waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the description and the keys are believed without asking again, in milliseconds.
const KNOWN_FOR_MILLIS: i64 = 3_600_000;
/// How soon they are asked for again, in milliseconds, since a token names a key that is not among them.
const ASKED_AGAIN_AFTER_MILLIS: i64 = 60_000;
/// How long it is not asked again after it could not be, in milliseconds: those who wait would each wait for the next.
const FAILED_FOR_MILLIS: i64 = 5_000;
/// How many sign-ins ask at once; further ones are refused.
const MAX_AT_ONCE: usize = 16;

/// A provider, as the settings describe it.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// As the provider writes it.
    pub issuer: String,
    pub client_id: String,
    /// Empty for a client without one.
    pub client_secret: SecretText,
    pub scopes: Vec<String>,
    /// Where the provider leads back to.
    pub redirect_url: Url,
}

/// A provider that is asked.
pub struct Provider {
    settings: OidcSettings,
    sender: Arc<dyn RequestSender>,
    source: Env,
    known: Mutex<Cached>,
    room: Semaphore,
}

/// What is remembered of the provider.
#[derive(Default)]
struct Cached {
    known: Option<Known>,
    /// Why it said nothing when it was asked last, and when that was.
    failure: Option<(OidcError, i64)>,
}

/// What a provider said of itself, and when.
#[derive(Clone)]
struct Known {
    metadata: Metadata,
    keys: Vec<Key>,
    at_millis: i64,
}

impl Provider {
    /// A provider that is asked by way of this sender.
    pub fn new(settings: OidcSettings, sender: Arc<dyn RequestSender>, source: Env) -> Self {
        Self {
            settings,
            sender,
            source,
            known: Mutex::default(),
            room: Semaphore::new(MAX_AT_ONCE),
        }
    }

    /// Where a browser is sent to sign in.
    pub async fn authorization_url(&self, flow: &SignInFlow) -> Result<Url, OidcError> {
        let _permit = self.room.try_acquire().map_err(|_| OidcError::Busy)?;
        let mut url = self
            .known(KNOWN_FOR_MILLIS)
            .await?
            .metadata
            .authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", self.settings.redirect_url.as_str())
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Whom a code stands for that came back for this sign-in. `issuer` is what the answer says of who sent it.
    pub async fn redeem(
        &self,
        flow: &SignInFlow,
        code: &str,
        issuer: Option<&str>,
    ) -> Result<Claims, OidcError> {
        let _permit = self.room.try_acquire().map_err(|_| OidcError::Busy)?;
        let known = self.known(KNOWN_FOR_MILLIS).await?;
        let is_ours = match issuer {
            Some(issuer) => issuer == self.settings.issuer,
            None => !known.metadata.names_issuer,
        };
        if !is_ours {
            return Err(OidcError::NotBelieved("the answer is another provider's"));
        }
        let answer = self.ask_token(&known.metadata, flow, code).await?;
        let id_token = answer["id_token"].as_str().unwrap_or_default();
        let token = self.believe(id_token, &known, flow).await?;
        let user = match (&known.metadata.userinfo_endpoint, answer["access_token"].as_str()) {
            (Some(url), Some(access_token)) => self.user_information(url, access_token, &token).await?,
            (_, _) => Value::Null,
        };
        Ok(Claims::new(token, user))
    }

    /// What an ID token says, if it is right in every respect.
    async fn believe(&self, text: &str, known: &Known, flow: &SignInFlow) -> Result<Value, OidcError> {
        let token = Token::parse(text)?;
        let verified = match token.verify(&known.keys)? {
            // The provider may have new keys.
            Verified::UnknownKey => token.verify(&self.known(ASKED_AGAIN_AFTER_MILLIS).await?.keys)?,
            verified => verified,
        };
        let Verified::Payload(payload) = verified else {
            return Err(OidcError::NotBelieved(
                "the token is signed with no key of the provider's",
            ));
        };
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &flow.nonce,
            now: self.source.now(),
        };
        expected.check(&payload)?;
        Ok(payload)
    }

    async fn ask_token(
        &self,
        metadata: &Metadata,
        flow: &SignInFlow,
        code: &str,
    ) -> Result<Value, OidcError> {
        let (id, secret) = (&self.settings.client_id, self.settings.client_secret.reveal());
        let is_in_header = !secret.is_empty() && !metadata.takes_secret_in_body;
        let mut headers = HeaderMap::new();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form_type);
        if is_in_header {
            // RFC 6749, section 2.3.1: both are encoded as in a form first.
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
            headers.insert(AUTHORIZATION, sensitive(&format!("Basic {pair}"))?);
        }
        let own = [("client_id", id.as_str()), ("client_secret", secret)];
        let own = own
            .into_iter()
            .filter(|(_, value)| !is_in_header && !value.is_empty());
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", self.settings.redirect_url.as_str())
            .append_pair("code_verifier", &flow.verifier)
            .extend_pairs(own)
            .finish();
        self.ask(Method::POST, &metadata.token_endpoint, headers, form.into())
            .await
    }

    /// More about the person of a token. What is said of anybody else is not believed.
    async fn user_information(
        &self,
        url: &Url,
        access_token: &str,
        token: &Value,
    ) -> Result<Value, OidcError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {access_token}"))?);
        let user = self.ask(Method::GET, url, headers, Bytes::new()).await?;
        match user["sub"] == token["sub"] {
            true => Ok(user),
            false => Err(OidcError::NotBelieved("the user information is of somebody else")),
        }
    }

    /// What is known of the provider, if that is younger than this; or what it says now. One asks at a time.
    async fn known(&self, max_age_millis: i64) -> Result<Known, OidcError> {
        let mut cached = self.known.lock().await;
        let now = self.source.monotonic_millis();
        let is_fresh = |known: &&Known| now - known.at_millis < max_age_millis;
        if let Some(known) = cached.known.as_ref().filter(is_fresh) {
            return Ok(known.clone());
        }
        let is_recent = |failure: &&(OidcError, i64)| now - failure.1 < FAILED_FOR_MILLIS;
        if let Some((error, _)) = cached.failure.as_ref().filter(is_recent) {
            return Err(error.clone());
        }
        match self.ask_who(now).await {
            Ok(known) => {
                cached.known = Some(known.clone());
                Ok(known)
            }
            Err(error) => {
                cached.failure = Some((error.clone(), now));
                Err(error)
            }
        }
    }

    /// What the provider says of itself.
    async fn ask_who(&self, now: i64) -> Result<Known, OidcError> {
        let issuer = &self.settings.issuer;
        let address = Metadata::address(issuer).filter(is_protected);
        let address = address.ok_or(OidcError::NotBelieved("oidc.issuer is no address with TLS"))?;
        let document = self.get(&address).await?;
        let metadata = Metadata::read(issuer, &document)?;
        let keys = self.get(&metadata.jwks_uri).await?;
        Ok(Known {
            keys: read_keys(&keys),
            metadata,
            at_millis: now,
        })
    }

    async fn get(&self, url: &Url) -> Result<Value, OidcError> {
        self.ask(Method::GET, url, HeaderMap::new(), Bytes::new()).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Value, OidcError> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let request = OutboundRequest {
            transport: Transport::Http,
            method,
            url: url.clone(),
            headers,
            body,
            timeout: REQUEST_TIMEOUT,
            tls: None,
            body_cap: MAX_BODY_CAP_BYTES,
            // A code is redeemed once: never by a request that is repeated by itself.
            connection: ConnectionUse::Fresh,
        };
        let host = url.host_str().unwrap_or_default();
        let unreachable = |why: String| Err(OidcError::Unreachable(format!("{host} {why}")));
        match self.sender.send(request).await.result {
            Ok(response) if response.status == 200 => serde_json::from_slice(&response.body)
                .or_else(|_| unreachable("answered with something else than JSON".into())),
            Ok(response) => unreachable(format!("answered {}", response.status)),
            Err(failure) => unreachable(format!("could not be asked: {}", failure.detail)),
        }
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, OidcError> {
    let value = HeaderValue::try_from(text);
    let mut value = value.map_err(|_| OidcError::NotBelieved("a token cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
