//! TLS to the database, and making connections. Certificates are always verified; there is no switch to turn that off.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use deadpool_postgres::Connect;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error, Socket};

use store::StoreError;
use store::StoreResult;

/// Makes the connections of a pool.
pub struct Connector {
    tls: MakeTls,
    password_file: Option<PathBuf>,
}

type Connecting<'a> = Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Connector {
    /// One that believes the authorities of a file, or the public ones.
    pub fn new(root_certificates: Option<&Path>, password_file: Option<PathBuf>) -> StoreResult<Self> {
        let roots = match root_certificates {
            Some(path) => read_roots(path)?,
            None => RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::Unavailable(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: MakeTls(Arc::new(config)),
            password_file,
        })
    }

    /// A password that was changed while the server runs counts for the next connection.
    async fn with_password(&self, config: &Config) -> Config {
        let mut config = config.clone();
        let Some(path) = &self.password_file else {
            return config;
        };
        match tokio::fs::read_to_string(path).await {
            Ok(password) => {
                config.password(password.trim_end_matches(['\r', '\n']));
            }
            Err(error) => {
                let path = path.display();
                tracing::error!(%path, %error, "the file of the database's password cannot be read");
            }
        }
        config
    }
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let config = config.clone();
        Box::pin(async move {
            let config = self.with_password(&config).await;
            let (client, connection) = config.connect(self.tls.clone()).await?;
            let task = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to PostgreSQL has ended");
                }
            });
            Ok((client, task))
        })
    }
}

fn read_roots(path: &Path) -> StoreResult<RootCertStore> {
    let unusable = |error: &dyn std::fmt::Display| {
        StoreError::Unavailable(format!("the authorities in {}: {error}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    match roots.is_empty() {
        true => Err(unusable(&"there is no certificate in it")),
        false => Ok(roots),
    }
}

/// Begins TLS with a server of some name.
#[derive(Clone)]
struct MakeTls(Arc<ClientConfig>);

impl MakeTlsConnect<Socket> for MakeTls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake {
            config: Arc::clone(&self.0),
            name: ServerName::try_from(domain.to_owned()),
        })
    }
}

struct Handshake {
    config: Arc<ClientConfig>,
    /// Asked for at each connection, whether it is to be encrypted or not: one over a socket of this machine has none.
    name: Result<ServerName<'static>, InvalidDnsNameError>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let connector = tokio_rustls::TlsConnector::from(self.config);
            let name = self.name.map_err(io::Error::other)?;
            connector.connect(name, socket).await.map(Encrypted)
        })
    }
}

/// A connection inside TLS.
struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
