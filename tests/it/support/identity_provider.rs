//! An OpenID provider that says what the test wants, right or wrong.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// As what the server is registered.
pub const CLIENT_ID: &str = "opsknight";

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// As it should be.
    Right,
    /// With a key that the provider does not publish, under the name of one that it does.
    ForeignKey,
    /// Not at all.
    None,
    /// With a shared secret: the published key, which everybody has.
    PublicKeyAsSecret,
}

/// What it answers from now on.
#[derive(Clone)]
pub struct Says {
    pub claims: Value,
    pub signing: Signing,
    /// The user information.
    pub user: Value,
    /// Which issuer its description names; itself if empty.
    pub issuer: String,
}

/// The provider.
#[derive(Clone)]
pub struct IdentityProvider(Arc<Inner>);

struct Inner {
    issuer: String,
    key: EcdsaKeyPair,
    foreign: EcdsaKeyPair,
    says: Mutex<Says>,
    /// The forms that came to the token endpoint, with what stood in `Authorization`.
    redeemed: Mutex<Vec<(String, String)>>,
}

impl IdentityProvider {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let provider = Self(Arc::new(Inner {
            says: Mutex::new(Says {
                claims: json!({}),
                signing: Signing::Right,
                user: json!({}),
                issuer: issuer.clone(),
            }),
            issuer,
            key: key(),
            foreign: key(),
            redeemed: Mutex::default(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(redeem))
            .route("/me", get(user))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// What it is called.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Changes what it answers.
    pub fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.0.says.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What came to the token endpoint: the form, and what stood in `Authorization`.
    pub fn redeemed(&self) -> Vec<(String, String)> {
        let redeemed = self.0.redeemed.lock();
        redeemed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn says(&self) -> Says {
        self.0.says.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn token(&self) -> String {
        let says = self.says();
        let algorithm = match says.signing {
            Signing::Right | Signing::ForeignKey => "ES256",
            Signing::None => "none",
            Signing::PublicKeyAsSecret => "HS256",
        };
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({"alg": algorithm, "kid": "a"}));
        let signed = format!("{header}.{}", part(&says.claims));
        let sign = |key: &EcdsaKeyPair| {
            let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            signature.as_ref().to_vec()
        };
        let signature = match says.signing {
            Signing::Right => sign(&self.0.key),
            Signing::ForeignKey => sign(&self.0.foreign),
            Signing::None => Vec::new(),
            Signing::PublicKeyAsSecret => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.key.public_key().as_ref());
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn describe(State(provider): State<IdentityProvider>) -> Json<Value> {
    let (issuer, named) = (provider.issuer(), provider.says().issuer);
    Json(json!({
        "issuer": named,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "jwks_uri": format!("{issuer}/keys"),
    }))
}

async fn keys(State(provider): State<IdentityProvider>) -> Json<Value> {
    let point = provider.0.key.public_key().as_ref();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Json(
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "use": "sig",
        "x": part(&point[1..33]), "y": part(&point[33..])}]}),
    )
}

async fn redeem(State(provider): State<IdentityProvider>, headers: HeaderMap, form: String) -> Response {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let mut redeemed = provider.0.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
    redeemed.push((form, authorization.unwrap_or_default().to_owned()));
    drop(redeemed);
    let token = provider.token();
    Json(json!({"access_token": "t", "token_type": "Bearer", "id_token": token})).into_response()
}

async fn user(State(provider): State<IdentityProvider>, headers: HeaderMap) -> Response {
    match headers
        .get("authorization")
        .is_some_and(|value| value == "Bearer t")
    {
        true => Json(provider.says().user).into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}
