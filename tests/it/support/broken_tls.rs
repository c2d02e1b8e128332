//! TLS that breaks after the handshake, in every way in which it does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A record of application data that no key decrypts.
const CORRUPT_RECORD: [u8; 25] = {
    let mut record = [0; 25];
    (record[0], record[1], record[2], record[4]) = (0x17, 3, 3, 20);
    record
};

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// A record that cannot be decrypted.
    CorruptRecord,
    /// A fatal alert: what came could not be decrypted.
    FatalAlert,
    /// TCP is reset.
    Reset,
    /// TCP ends, without the alert that says so.
    Close,
}

/// Ends a connection. The last word is read before the socket is gone.
pub async fn break_off(stream: TlsStream<TcpStream>, breakage: Breakage) {
    let (mut tcp, mut session) = stream.into_inner();
    let last_word = match breakage {
        Breakage::CorruptRecord => CORRUPT_RECORD.to_vec(),
        Breakage::FatalAlert => {
            // The library sends no alert of its own accord: it has to read what it cannot decrypt.
            session.read_tls(&mut CORRUPT_RECORD.as_slice()).unwrap();
            session.process_new_packets().unwrap_err();
            let mut alert = Vec::new();
            session.write_tls(&mut alert).unwrap();
            alert
        }
        Breakage::Reset => return tcp.set_zero_linger().unwrap(),
        Breakage::Close => return,
    };
    tcp.write_all(&last_word).await.unwrap();
    tcp.read_to_end(&mut Vec::new()).await.unwrap_or_default();
}
