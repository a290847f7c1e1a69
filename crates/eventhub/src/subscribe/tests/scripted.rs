//! A broker that follows a script: it answers as Qpid or Andes would, and keeps what it was sent.
//!
//! Frames are read and written here; what is in a method is lapin's codec.

use lapin::{
    protocol::{AMQPClass, basic, channel, connection, exchange, gen_class, parse_class, queue},
    types::{FieldTable, ShortString},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xce;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Qpid,
    Andes,
}

/// What is wrong with whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Password,
    VirtualHost,
}

pub(super) struct Broker {
    listener: TcpListener,
    kind: Kind,
}

impl Broker {
    pub(super) async fn new(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, kind }
    }

    pub(super) fn url(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!("amqp://admin:secret@127.0.0.1:{port}/carbon?connectdelay='1'")
    }

    /// A connection whose consumer stands.
    pub(super) async fn consumed(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.open(None).await;
        while !matches!(
            peer.step().await,
            Some(AMQPClass::Basic(basic::AMQPMethod::Consume(_)))
        ) {
            assert!(!peer.closed, "closed before it consumed: {:?}", peer.seen);
        }
        peer
    }

    /// A connection that is refused, or that ends by itself. What it sent.
    pub(super) async fn refuse(&self, refusal: Option<Refusal>) -> Vec<AMQPClass> {
        let mut peer = self.accept().await;
        peer.open(refusal).await;
        while peer.step().await.is_some() {}
        peer.seen
    }

    async fn accept(&self) -> Peer {
        let (socket, _) = self.listener.accept().await.unwrap();
        Peer {
            socket,
            kind: self.kind,
            queue: ShortString::default(),
            queue_is_gone: false,
            keeps_silent: false,
            heartbeat: 0,
            seen: Vec::new(),
            closed: false,
        }
    }
}

/// One connection.
pub(super) struct Peer {
    socket: TcpStream,
    kind: Kind,
    /// The name in the answer: another one than was asked for, as on Andes, which lower-cases it.
    pub(super) queue: ShortString,
    /// Someone deletes the queue, and the broker does not say so.
    pub(super) queue_is_gone: bool,
    /// It does not answer whether the queue is there.
    pub(super) keeps_silent: bool,
    pub(super) heartbeat: u16,
    /// Every method that came after the handshake.
    pub(super) seen: Vec<AMQPClass>,
    closed: bool,
}

impl Peer {
    async fn open(&mut self, refusal: Option<Refusal>) {
        let mut header = [0; 8];
        self.socket.read_exact(&mut header).await.unwrap();
        assert_eq!(&header, b"AMQP\x00\x00\x09\x01");
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: FieldTable::default(),
            mechanisms: "PLAIN".into(),
            locales: "en_US".into(),
        };
        self.connection(connection::AMQPMethod::Start(start)).await;
        self.read().await;
        if refusal == Some(Refusal::Password) {
            return self.close(530, "Authentication failed").await;
        }
        let frame_max = match self.kind {
            Kind::Qpid => 262_136,
            Kind::Andes => 65_536,
        };
        let tune = connection::Tune {
            channel_max: 256,
            frame_max,
            heartbeat: 0,
        };
        self.connection(connection::AMQPMethod::Tune(tune)).await;
        let tuned = self.read().await;
        let Some(AMQPClass::Connection(connection::AMQPMethod::TuneOk(tuned))) = tuned else {
            panic!("not tune-ok: {tuned:?}");
        };
        self.heartbeat = tuned.heartbeat;
        self.read().await;
        if refusal == Some(Refusal::VirtualHost) {
            return self.close(404, "Unknown virtual host").await;
        }
        let open = connection::AMQPMethod::OpenOk(connection::OpenOk {});
        self.connection(open).await;
    }

    /// Reads a method, answers it, and gives it. `None` once the other side has hung up.
    pub(super) async fn step(&mut self) -> Option<AMQPClass> {
        let Some(method) = self.read().await else {
            self.closed = true;
            return None;
        };
        self.seen.push(method.clone());
        match &method {
            AMQPClass::Connection(connection::AMQPMethod::Close(_)) => {
                let ok = connection::AMQPMethod::CloseOk(connection::CloseOk {});
                self.connection(ok).await;
            }
            AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
                let ok = channel::AMQPMethod::OpenOk(channel::OpenOk {});
                self.send(AMQPClass::Channel(ok)).await;
            }
            AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)) => {
                self.declare_exchange(declare).await;
            }
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => {
                self.declare_queue(declare).await;
            }
            AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => {
                assert_eq!(bind.queue, self.queue);
                let ok = queue::AMQPMethod::BindOk(queue::BindOk {});
                self.send(AMQPClass::Queue(ok)).await;
            }
            AMQPClass::Basic(method) => self.basic(method).await,
            // Andes has no such class.
            AMQPClass::Confirm(_) => self.hang_up().await,
            _ => {}
        }
        Some(method)
    }

    async fn basic(&mut self, method: &basic::AMQPMethod) {
        match method {
            basic::AMQPMethod::Qos(_) => {
                let ok = basic::AMQPMethod::QosOk(basic::QosOk {});
                self.send(AMQPClass::Basic(ok)).await;
            }
            basic::AMQPMethod::Consume(consume) => {
                assert_eq!(consume.queue, self.queue);
                let consumer_tag = consume.consumer_tag.clone();
                let ok = basic::AMQPMethod::ConsumeOk(basic::ConsumeOk { consumer_tag });
                self.send(AMQPClass::Basic(ok)).await;
            }
            // Andes has no such method.
            basic::AMQPMethod::Nack(_) => self.hang_up().await,
            _ => {}
        }
    }

    /// Qpid refuses any argument, at the cost of the connection.
    async fn declare_queue(&mut self, declare: &queue::Declare) {
        if declare.passive {
            assert_eq!(declare.queue, self.queue);
            if self.keeps_silent {
                return;
            }
        } else {
            if self.kind == Kind::Qpid && !declare.arguments.inner().is_empty() {
                return self.close(542, "Unsupported arguments").await;
            }
            self.queue = format!("{}.answered", declare.queue).into();
        }
        if self.queue_is_gone {
            return self.close_channel(404, "Queue not found").await;
        }
        self.declared().await;
    }

    /// The answer to a declaration.
    pub(super) async fn declared(&mut self) {
        let ok = queue::AMQPMethod::DeclareOk(queue::DeclareOk {
            queue: self.queue.clone(),
            message_count: 0,
            consumer_count: 0,
        });
        self.send(AMQPClass::Queue(ok)).await;
    }

    async fn declare_exchange(&mut self, declare: &exchange::Declare) {
        let known = declare.exchange.as_str() == "amq.topic";
        if declare.passive && !known {
            return self.close_channel(404, "Exchange not found").await;
        }
        if !declare.passive && (declare.kind.as_str() != "topic" || !declare.durable) {
            return self.close(530, "Another kind of exchange").await;
        }
        let ok = exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {});
        self.send(AMQPClass::Exchange(ok)).await;
    }

    /// A message to the consumer.
    pub(super) async fn deliver(&mut self, delivery_tag: u64, body: &[u8]) {
        let deliver = basic::AMQPMethod::Deliver(basic::Deliver {
            consumer_tag: "rescind".into(),
            delivery_tag,
            redelivered: false,
            exchange: "amq.topic".into(),
            routing_key: "tokenrevocation".into(),
        });
        self.send(AMQPClass::Basic(deliver)).await;
        // Class basic, no weight, the length, and no property.
        let mut header = vec![0, 60, 0, 0];
        header.extend((body.len() as u64).to_be_bytes());
        header.extend([0, 0]);
        self.frame(HEADER, 1, &header).await;
        self.frame(BODY, 1, body).await;
    }

    pub(super) async fn close(&mut self, reply_code: u16, text: &str) {
        let close = connection::AMQPMethod::Close(connection::Close {
            reply_code,
            reply_text: text.into(),
            class_id: 0,
            method_id: 0,
        });
        self.connection(close).await;
    }

    pub(super) async fn close_channel(&mut self, reply_code: u16, text: &str) {
        let close = channel::AMQPMethod::Close(channel::Close {
            reply_code,
            reply_text: text.into(),
            class_id: 0,
            method_id: 0,
        });
        self.send(AMQPClass::Channel(close)).await;
    }

    pub(super) async fn cancel_consumer(&mut self) {
        let cancel = basic::AMQPMethod::Cancel(basic::Cancel {
            consumer_tag: "rescind".into(),
            nowait: true,
        });
        self.send(AMQPClass::Basic(cancel)).await;
    }

    pub(super) async fn block(&mut self) {
        let blocked = connection::Blocked {
            reason: "memory".into(),
        };
        self.connection(connection::AMQPMethod::Blocked(blocked))
            .await;
    }

    pub(super) async fn hang_up(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    async fn connection(&mut self, method: connection::AMQPMethod) {
        self.write(0, AMQPClass::Connection(method)).await;
    }

    /// On the channel that the subscription is on.
    async fn send(&mut self, method: AMQPClass) {
        self.write(1, method).await;
    }

    async fn write(&mut self, channel: u16, method: AMQPClass) {
        let written = gen_class::<Vec<u8>>(&method)(Vec::new().into()).unwrap();
        self.frame(METHOD, channel, &written.write).await;
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let mut frame = vec![kind];
        frame.extend(channel.to_be_bytes());
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload);
        frame.push(END);
        // The other side may have gone.
        let _ = self.socket.write_all(&frame).await;
    }

    async fn read(&mut self) -> Option<AMQPClass> {
        loop {
            let mut head = [0; 7];
            self.socket.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
            let mut payload = vec![0; length as usize + 1];
            self.socket.read_exact(&mut payload).await.ok()?;
            assert_eq!(payload.pop(), Some(END));
            match head[0] {
                METHOD => return Some(parse_class(&payload[..]).unwrap().1),
                HEARTBEAT => {}
                other => panic!("a frame of kind {other}"),
            }
        }
    }
}
