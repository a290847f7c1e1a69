//! A bad network on demand: a TCP proxy that delays, swallows, half-closes, cuts and refuses.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

use crate::port::Port;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// As good as none between.
    Open,
    /// Each piece comes later by so much.
    Slow(Duration),
    /// What comes waits until the line is another one.
    Stalled,
    /// What comes is gone. A connection that lost something this way is cut when the line is another one: its rest would
    /// make no sense.
    Swallowing,
    /// Who connects is refused; who is connected is cut.
    Refusing,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From who connects.
    Up,
    /// To who connects.
    Down,
}

/// The proxy. Dropping it cuts everything.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: Arc<Port>,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    to: SocketAddr,
    line: Line,
    /// How many have connected.
    accepted: usize,
    cuts: usize,
    /// How often each way was closed.
    closed: [usize; 2],
}

impl Proxy {
    /// A proxy on a free port of this machine that leads to another one, see [`Proxy::lead_to`].
    pub(crate) fn start() -> Self {
        let port = Arc::new(Port::free());
        let state = Arc::new(watch::Sender::new(State {
            to: (Ipv4Addr::LOCALHOST, 1).into(),
            line: Line::Open,
            accepted: 0,
            cuts: 0,
            closed: [0; 2],
        }));
        let accepting = tokio::spawn(accept(Arc::clone(&port), Arc::clone(&state)));
        Self {
            port,
            state,
            accepting,
        }
    }

    /// Where it leads from now on.
    pub(crate) fn lead_to(&self, port: u16) {
        self.change(|state| state.to = (Ipv4Addr::LOCALHOST, port).into());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn set(&self, line: Line) {
        self.change(|state| state.line = line);
    }

    /// How many have connected so far.
    pub(crate) fn accepted(&self) -> usize {
        self.state.borrow().accepted
    }

    /// Resets every connection. Gives how many there have been: each later one stands until something else ends it.
    pub(crate) fn cut(&self) -> usize {
        self.change(|state| state.cuts += 1)
    }

    /// Ends one way of every connection as if its sender had; the other way stays. Gives how many there have been.
    pub(crate) fn half_close(&self, way: Way) -> usize {
        self.change(|state| state.closed[way as usize] += 1)
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> usize {
        modify(&self.state, change).accepted
    }
}

/// Changes the state, and gives it as it is from then on: what is there is told apart from what comes later.
fn modify(state: &watch::Sender<State>, change: impl FnOnce(&mut State)) -> State {
    let mut changed = None;
    state.send_modify(|state| {
        change(state);
        changed = Some(*state);
    });
    changed.expect("`send_modify` calls it once")
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(port: Arc<Port>, state: Arc<watch::Sender<State>>) {
    let mut watched = state.subscribe();
    loop {
        let is_open = |state: &State| state.line != Line::Refusing;
        if watched.wait_for(is_open).await.is_err() {
            return;
        }
        let listener = port.listen();
        tokio::select! {
            _ = watched.wait_for(|state| !is_open(state)) => {}
            () = serve(&listener, &state) => {}
        }
    }
}

async fn serve(listener: &TcpListener, state: &watch::Sender<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let born = modify(state, |state| state.accepted += 1);
        tokio::spawn(carry(client, state.subscribe(), born));
    }
}

/// One connection, to its end.
async fn carry(mut client: TcpStream, watched: watch::Receiver<State>, born: State) {
    let Ok(mut server) = TcpStream::connect(born.to).await else {
        reset(&client);
        return;
    };
    let mut cut = watched.clone();
    let is_cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::join!(
                pump(from_client, to_server, Way::Up, watched.clone(), born),
                pump(from_server, to_client, Way::Down, watched.clone(), born),
            )
        };
        tokio::select! {
            (up, down) = both => up == End::Lossy || down == End::Lossy,
            _ = cut.wait_for(|state| state.cuts != born.cuts || state.line == Line::Refusing) => true,
        }
    };
    if is_cut {
        reset(&client);
        reset(&server);
    }
}

/// Has the other side see a reset, and not an orderly end.
fn reset(socket: &TcpStream) {
    // Fails only where it is closed already.
    let _ = socket.set_zero_linger();
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Orderly,
    Lossy,
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut watched: watch::Receiver<State>,
    born: State,
) -> End {
    let mut buffer = vec![0; 16 * 1024];
    let mut is_lossy = false;
    loop {
        let State { line, closed, .. } = *watched.borrow_and_update();
        if closed[way as usize] != born.closed[way as usize] {
            break;
        }
        if is_lossy && line != Line::Swallowing {
            return End::Lossy;
        }
        let read = tokio::select! {
            changed = watched.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return End::Lossy,
            },
            read = from.read(&mut buffer), if line != Line::Stalled => read,
        };
        let Ok(count @ 1..) = read else {
            break;
        };
        match line {
            Line::Swallowing => {
                is_lossy = true;
                continue;
            }
            Line::Slow(delay) => sleep(delay).await,
            Line::Open | Line::Stalled | Line::Refusing => {}
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    End::Orderly
}
