//! Sockets as a check wants them: from an address, through a device, with a mark; connected within a time. Nothing is sent.

use crate::{Ending, Step, Target, Why};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// A connection that ends as its target wants it: in order when it is shut down or dropped, or with a reset, and then when
/// it is dropped alone.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    ending: Ending,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// A FIN would go before the reset, and with the server's own it would leave what the reset is to prevent.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ending {
            Ending::Order => Pin::new(&mut self.stream).poll_shutdown(cx),
            Ending::Reset => Pin::new(&mut self.stream).poll_flush(cx),
        }
    }
}

/// Connects; the kernel's handshake is all that the server sees.
pub(crate) async fn connect(target: &Target) -> Result<Connection, Why> {
    let socket = TcpSocket::from_std_stream(open(target, Type::STREAM, Protocol::TCP)?.into());
    if target.ending == Ending::Reset {
        socket.set_zero_linger().map_err(local("asking for a reset at the end".to_string()))?;
    }
    match tokio::time::timeout(target.timeout, socket.connect(target.address)).await {
        Ok(Ok(stream)) => Ok(Connection { stream, ending: target.ending }),
        Ok(Err(error)) => Err(classify(target.address, &error)),
        Err(_) => Err(Why::TimedOut { step: Step::Connect, after: target.timeout, received: 0 }),
    }
}

/// A socket for datagrams to and from the target alone; what ICMP says of it is an error of the next call.
pub(crate) fn datagrams(target: &Target) -> Result<UdpSocket, Why> {
    connected(target, Type::DGRAM, Protocol::UDP)
}

/// The same for messages of another protocol on top of IP. (It has no ports; that is all that tells it from one of UDP.)
pub(crate) fn messages(target: &Target, protocol: Protocol) -> Result<UdpSocket, Why> {
    connected(target, Type::RAW, protocol)
}

fn connected(target: &Target, kind: Type, protocol: Protocol) -> Result<UdpSocket, Why> {
    let socket = open(target, kind, protocol)?;
    socket.connect(&target.address.into()).map_err(|e| classify(target.address, &e))?;
    UdpSocket::from_std(socket.into()).map_err(local("opening a socket".to_string()))
}

fn local(tried: String) -> impl FnOnce(io::Error) -> Why {
    move |e| Why::Local { tried, error: e.to_string() }
}

/// A socket that is bound and marked as the target wants it, and not connected.
fn open(target: &Target, kind: Type, protocol: Protocol) -> Result<Socket, Why> {
    let domain = Domain::for_address(target.address);
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))
        .map_err(local("opening a socket".to_string()))?;
    if let Some(device) = &target.bind_device {
        socket.bind_device(Some(device.as_bytes())).map_err(local(format!("binding to interface {device}")))?;
    }
    if target.fwmark != 0 {
        socket.set_mark(target.fwmark).map_err(local(format!("setting fwmark {}", target.fwmark)))?;
    }
    if let Some(bind) = target.bind {
        // A fixed source port is free again at once: the connection before this one may still be in TIME_WAIT.
        if bind.port() != 0 {
            socket.set_reuse_address(true).map_err(local(format!("reusing port {}", bind.port())))?;
        }
        socket.bind(&SockAddr::from(bind)).map_err(local(format!("binding to {bind}")))?;
    }
    Ok(socket)
}

/// What the kernel's answer to connecting says about the server. keepalived 2.2.7 and 2.4.3 leave a checker as it was when
/// the answer is not about the server (a wrong `bindto`, no descriptors), so that it stays up for ever; here it fails.
pub(crate) fn classify(address: SocketAddr, error: &io::Error) -> Why {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
        TimedOut,
    };
    match error.kind() {
        ConnectionRefused => Why::Refused,
        ConnectionReset | ConnectionAborted => Why::Reset(Step::Connect),
        HostUnreachable | NetworkUnreachable | NetworkDown | TimedOut => Why::Unreachable(error.to_string()),
        _ => Why::Local { tried: format!("connecting to {address}"), error: error.to_string() },
    }
}

/// What an error of a connection says about a server that a reply is waited for from.
pub(crate) fn broken(error: &io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Why::Reset(Step::Reply),
        _ => Why::Broken { step: Step::Reply, error: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::connect;
    use crate::{Ending, Target};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    #[tokio::test]
    async fn no_fin_goes_before_a_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::new(listener.local_addr().unwrap(), Duration::from_secs(5));
        for (ending, ends) in [(Ending::Order, true), (Ending::Reset, false)] {
            let mut stream = connect(&Target { ending, ..target.clone() }).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            stream.write_all(b"bye").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut heard = [0; 3];
            server.read_exact(&mut heard).await.unwrap();
            let ended = timeout(Duration::from_millis(200), server.read(&mut heard)).await;
            assert_eq!(ended.is_ok_and(|read| read.unwrap() == 0), ends, "{ending:?}");
            drop(stream);
            assert_eq!(server.read(&mut heard).await.is_ok(), ends, "{ending:?}");
        }
    }
}
