//! A network between a node and its database that can be cut: nothing is forwarded any more, and nobody is told.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to a port of this machine.
pub struct Network {
    pub port: u16,
    is_cut: watch::Sender<bool>,
}

impl Network {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let is_cut = watch::Sender::new(false);
        let network = Self {
            port: listener.local_addr().unwrap().port(),
            is_cut,
        };
        let is_cut = network.is_cut.subscribe();
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(forward(from, port, is_cut.clone()));
            }
        });
        network
    }

    /// From now on nothing gets through, and no connection ends.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// New connections get through; those of before are dead.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn forward(from: TcpStream, port: u16, is_cut: watch::Receiver<bool>) {
    let Ok(to) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (from_read, from_write) = from.into_split();
    let (to_read, to_write) = to.into_split();
    tokio::join!(
        pass_on(from_read, to_write, is_cut.clone()),
        pass_on(to_read, from_write, is_cut)
    );
}

/// While it is cut, neither side hears of the other, not even that it is gone. What was open then is lost.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut is_cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            () = until_cut(&mut is_cut, true) => break,
            read = from.read(&mut buffer) => read,
        };
        match read {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).await.is_ok() => {}
            Ok(_) | Err(_) => return,
        }
    }
    until_cut(&mut is_cut, false).await;
}

async fn until_cut(is_cut: &mut watch::Receiver<bool>, wanted: bool) {
    let _ = is_cut.wait_for(|is_cut| *is_cut == wanted).await;
}
