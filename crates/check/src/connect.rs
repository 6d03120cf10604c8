//! A TCP connection as a probe wants it: from a given address, out of a given interface, marked, within its time.

use crate::Why;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

/// Where a probe connects to, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// Local address and port; port 0: any.
    pub bind: Option<SocketAddr>,
    /// Interface.
    pub device: Option<String>,
    /// Firewall mark; 0: none.
    pub mark: u32,
    /// How long connecting may take, and how long the whole answer after it.
    pub timeout: Duration,
}

/// Connects.
pub(crate) async fn connect(target: &Target) -> Result<TcpStream, Why> {
    let socket = socket(target).map_err(|e| Why::Local(e.to_string()))?;
    match tokio::time::timeout(target.timeout, socket.connect(target.address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(e)) => Err(Why::connecting(&e)),
        Err(_) => Err(Why::ConnectTimeout(target.timeout)),
    }
}

fn socket(target: &Target) -> io::Result<TcpSocket> {
    let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if let Some(device) = &target.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if target.mark != 0 {
        socket.set_mark(target.mark)?;
    }
    if let Some(local) = target.bind {
        // With a fixed port the last connection may still linger.
        socket.set_reuse_address(local.port() != 0)?;
        socket.bind(&local.into())?;
    }
    Ok(TcpSocket::from_std_stream(socket.into()))
}
