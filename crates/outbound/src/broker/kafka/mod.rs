//! Kafka's protocol, as a producer speaks it: finds the partition's leader, and has a record written by all replicas in sync
//! (`acks=all`), numbered so that brokers know a repeat. The brokers that a Kafka names are dialled as its first one was: through
//! the guard.

mod connection;
mod errors;
mod record;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::time::Instant;
use url::Url;

use self::connection::{AnswerReader, Api, BrokerConnection, put_block, put_text};
use self::errors::Fate;
use self::record::{Placed, batch, partition_of};
use super::super::connector::{Progress, failure};
use super::super::url_rules::dialled;
use super::wire::{closed, invalid};
use super::{Answer, Dialer, End, TAKEN};
use limit::bounded_map::BoundedMap;
use model::broker::{BrokerAccount, BrokerAddress, BrokerStage};
use model::exchange::{FailureCode, SendFailure};

const METADATA: Api = (3, 7);
const NEW_PRODUCER: Api = (22, 1);
const PRODUCE: Api = (0, 7);
/// The record stands with all replicas in sync.
const ALL_REPLICAS: i16 = -1;
/// How often a record is tried in one attempt: where a leader moved, the next one knows.
const MAX_TRIES: usize = 3;
/// How often a producer is asked for.
const MAX_PRODUCER_TRIES: usize = 20;
/// Before the next try of either.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections of a session; one for each broker that leads a partition.
const MAX_CONNECTIONS: usize = 32;
/// The longest name of a host (RFC 1035), in bytes: the address of a partition's leader is kept for each partition.
const MAX_HOST_BYTES: usize = 255;
/// The longest name of a cluster that is told apart from others; Kafka's own have 22. In bytes.
const MAX_CLUSTER_BYTES: usize = 64;
/// Records of which it is not known whether they were written: the last ones.
const MAX_UNSETTLED: usize = 10_000;
/// What a broker may take for the replicas, at most, in milliseconds; our own deadline comes first.
const REPLICAS_MS: i32 = 30_000;

/// Records whose answer was lost, by delivery: sent again with the same numbers, they stand in the log once.
pub(super) struct Unsettled(Mutex<BoundedMap<String, Placed>>);

impl Default for Unsettled {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(MAX_UNSETTLED)))
    }
}

impl Unsettled {
    fn find(&self, delivery: &str) -> Option<Placed> {
        self.lock().peek(delivery).copied()
    }

    fn note(&self, delivery: &str, placed: Placed) {
        self.lock().insert(delivery.to_owned(), placed);
    }

    fn settle(&self, delivery: &str) {
        self.lock().remove(delivery);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BoundedMap<String, Placed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a topic.
struct TopicLeaders {
    /// The cluster that it is in, which handed out the producer's number.
    cluster: String,
    /// The leader of each partition, in the order of their numbers.
    leaders: Vec<Url>,
}

/// A producer: its id, and how many records it has written to each partition.
struct Producer {
    id: i64,
    epoch: i16,
    sequences: HashMap<i32, i32>,
}

/// Connections to the brokers of a Kafka, and a producer of its own.
pub(super) struct KafkaSession {
    connections: HashMap<String, BrokerConnection>,
    /// The broker that was dialled first.
    first: Url,
    producer: Option<Producer>,
    /// The topic that was asked for last.
    topic: Option<(String, TopicLeaders)>,
    deadline: Instant,
}

impl KafkaSession {
    /// Connects to the first broker and signs in.
    pub(super) async fn open(
        dialer: &Dialer<'_>,
        server: &Url,
        progress: &mut Progress,
    ) -> Result<Self, End> {
        let connection = BrokerConnection::open(dialer, server, progress).await?;
        let mut session = Self {
            deadline: connection.deadline(),
            connections: HashMap::from([(place(server)?, connection)]),
            first: server.clone(),
            producer: None,
            topic: None,
        };
        session.learn_topic(dialer, progress).await?;
        Ok(session)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Writes a message, and waits until all replicas in sync have it.
    pub(super) async fn publish(
        &mut self,
        dialer: &Dialer<'_>,
        unsettled: &Unsettled,
        progress: &mut Progress,
    ) -> Result<Answer, End> {
        let (name, key) = topic_and_key(dialer)?;
        let mut last = 0;
        for _ in 0..MAX_TRIES {
            self.learn_topic(dialer, progress).await?;
            let cluster = self
                .topic
                .as_ref()
                .map_or("", |(_, topic)| topic.cluster.as_str());
            let id = &format!("{} {name} {cluster}", dialer.message.id);
            // A partition that is gone took with it whatever was written there.
            let earlier = unsettled
                .find(id)
                .filter(|placed| self.leader(placed.partition).is_ok());
            let placed = match earlier {
                Some(placed) => placed,
                None => self.place_anew(dialer, key, progress).await?,
            };
            let leader = self.leader(placed.partition)?;
            // A connection that cannot be made leaves nothing behind.
            self.connection(dialer, &leader, progress).await?;
            unsettled.note(id, placed);
            let (code, offset) = self.write(dialer, &leader, placed, progress).await?;
            last = code;
            match errors::fate(code) {
                Fate::Taken => {
                    unsettled.settle(id);
                    self.count(placed);
                    let words = format!("partition {}, offset {offset}", placed.partition);
                    return Ok(Answer::new(BrokerStage::Message, TAKEN, words));
                }
                Fate::Elsewhere => {
                    self.topic = None;
                    tokio::time::sleep(PAUSE).await;
                }
                Fate::ProducerLost => {
                    unsettled.settle(id);
                    self.producer = None;
                }
                Fate::Unknown => return Err(refused(BrokerStage::Message, code)),
                Fate::Refused => {
                    unsettled.settle(id);
                    return Err(refused(BrokerStage::Message, code));
                }
            }
        }
        Err(refused(BrokerStage::Message, last))
    }

    /// Where a record goes that was not sent yet.
    async fn place_anew(
        &mut self,
        dialer: &Dialer<'_>,
        key: &str,
        progress: &mut Progress,
    ) -> Result<Placed, End> {
        let partitions = self.topic.as_ref().map_or(0, |(_, topic)| topic.leaders.len());
        let partition = partition_of(key, i32::try_from(partitions).unwrap_or(i32::MAX));
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.new_producer(dialer, progress).await?,
        };
        let placed = Placed {
            producer: producer.id,
            epoch: producer.epoch,
            partition,
            sequence: producer.sequences.get(&partition).copied().unwrap_or_default(),
        };
        self.producer = Some(producer);
        Ok(placed)
    }

    /// The next record of this producer has the next number. Only what is taken counts.
    fn count(&mut self, placed: Placed) {
        let own = self.producer.as_mut();
        if let Some(producer) = own.filter(|producer| producer.id == placed.producer) {
            let next = placed.sequence.checked_add(1).unwrap_or_default();
            producer.sequences.insert(placed.partition, next);
        }
    }

    async fn new_producer(&mut self, dialer: &Dialer<'_>, progress: &mut Progress) -> Result<Producer, End> {
        let mut request = BytesMut::new();
        // No name: it writes no transactions.
        request.put_i16(-1);
        request.put_i32(REPLICAS_MS);
        let first = self.first.clone();
        let connection = self.connection(dialer, &first, progress).await?;
        let mut last = 0;
        for _ in 0..MAX_PRODUCER_TRIES {
            let mut answer = connection.ask(NEW_PRODUCER, &request).await?;
            let _throttled_ms = answer.i32()?;
            match answer.i16()? {
                0 => {
                    return Ok(Producer {
                        id: answer.i64()?,
                        epoch: answer.i16()?,
                        sequences: HashMap::new(),
                    });
                }
                // A broker that was just started is still being given numbers to hand out.
                code if errors::is_starting(code) => last = code,
                code => return Err(refused(BrokerStage::Connection, code)),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(refused(BrokerStage::Connection, last))
    }

    fn leader(&self, partition: i32) -> Result<Url, SendFailure> {
        let topic = self.topic.as_ref().map(|(_, topic)| &topic.leaders);
        let index = usize::try_from(partition).unwrap_or(usize::MAX);
        topic
            .and_then(|leaders| leaders.get(index).cloned())
            .ok_or_else(|| invalid("Kafka does not name the partition's leader"))
    }

    async fn connection(
        &mut self,
        dialer: &Dialer<'_>,
        server: &Url,
        progress: &mut Progress,
    ) -> Result<&mut BrokerConnection, End> {
        let place = place(server)?;
        if !self.connections.contains_key(&place) {
            if self.connections.len() >= MAX_CONNECTIONS {
                self.connections.clear();
            }
            let connection = BrokerConnection::open(dialer, server, progress).await?;
            self.connections.insert(place.clone(), connection);
        }
        let connection = self.connections.get_mut(&place);
        let connection = connection.ok_or_else(|| closed("the connection closed at once"))?;
        connection.serve_until(dialer.deadline);
        Ok(connection)
    }

    /// Asks for the leaders of the message's topic, unless they are known.
    async fn learn_topic(&mut self, dialer: &Dialer<'_>, progress: &mut Progress) -> Result<(), End> {
        let (name, _) = topic_and_key(dialer)?;
        if self.topic.as_ref().is_some_and(|(known, _)| known == name) {
            return Ok(());
        }
        let mut request = BytesMut::new();
        request.put_i32(1);
        put_text(&mut request, name);
        // A topic that is not there is not made: it would get settings that nobody chose.
        request.put_u8(0);
        let is_nobody = dialer.message.account == BrokerAccount::Nobody;
        let first = self.first.clone();
        let connection = self.connection(dialer, &first, progress).await?;
        let asked = connection.ask(METADATA, &request).await;
        let mut answer = asked.map_err(|trouble| match trouble.code {
            FailureCode::ConnectionClosed if is_nobody => {
                closed("Kafka closed the connection: this port may want an account, or TLS (kafka+ssl://)")
            }
            _ => trouble,
        })?;
        let leaders = topic_leaders(&mut answer, self.first.scheme())?;
        self.topic = Some((name.to_owned(), leaders));
        Ok(())
    }

    /// Asks the leader to write a record: the code, and where it stands.
    async fn write(
        &mut self,
        dialer: &Dialer<'_>,
        leader: &Url,
        placed: Placed,
        progress: &mut Progress,
    ) -> Result<(i16, i64), End> {
        let (name, key) = topic_and_key(dialer)?;
        let mut request = BytesMut::new();
        request.put_i16(-1);
        request.put_i16(ALL_REPLICAS);
        request.put_i32(REPLICAS_MS);
        request.put_i32(1);
        put_text(&mut request, name);
        request.put_i32(1);
        request.put_i32(placed.partition);
        put_block(
            &mut request,
            &batch(dialer.message, key, &dialer.request.body, placed),
        );
        let connection = self.connection(dialer, leader, progress).await?;
        progress.may_be_sent = true;
        let mut answer = connection.ask(PRODUCE, &request).await?;
        let written = answer.list(|topic| {
            topic.text()?;
            topic.list(|partition| {
                partition.i32()?;
                let (code, offset) = (partition.i16()?, partition.i64()?);
                let _appended_at = partition.i64()?;
                let _log_begins_at = partition.i64()?;
                Ok((code, offset))
            })
        })?;
        let mut written = written.into_iter().flatten();
        let none = || invalid("Kafka does not say what became of the record").into();
        written.next().ok_or_else(none)
    }
}

/// Reads which broker leads which partition of the one topic that was asked for.
fn topic_leaders(answer: &mut AnswerReader, scheme: &str) -> Result<TopicLeaders, End> {
    let _throttled_ms = answer.i32()?;
    let brokers: HashMap<_, _> = answer
        .list(|broker| {
            let id = broker.i32()?;
            let (host, port) = (broker.text()?, broker.i32()?);
            let _rack = broker.text()?;
            Ok((id, server(scheme, &host, port)?))
        })?
        .into_iter()
        .collect();
    let cluster = answer.text()?;
    if cluster.len() > MAX_CLUSTER_BYTES {
        return Err(invalid("Kafka names a cluster that is none").into());
    }
    let _controller = answer.i32()?;
    let mut topics = answer.list(|topic| {
        let code = topic.i16()?;
        let (_name, _is_internal) = (topic.text()?, topic.i8()?);
        let partitions = topic.list(|partition| {
            let _code = partition.i16()?;
            let (number, leader) = (partition.i32()?, partition.i32()?);
            let _epoch = partition.i32()?;
            for _ in ["replicas", "in sync", "offline"] {
                partition.list(AnswerReader::i32)?;
            }
            Ok((number, leader))
        })?;
        Ok((code, partitions))
    })?;
    let (code, mut partitions) = topics
        .pop()
        .ok_or_else(|| invalid("Kafka does not answer for the topic"))?;
    if code != 0 {
        return Err(refused(BrokerStage::Connection, code));
    }
    partitions.sort_unstable();
    let leaders = partitions.iter().map(|(_, leader)| brokers.get(leader).cloned());
    let leaders: Option<Vec<_>> = leaders.collect();
    match leaders {
        Some(leaders) if !leaders.is_empty() => Ok(TopicLeaders { cluster, leaders }),
        // LEADER_NOT_AVAILABLE: of one partition at least, for now.
        _ => Err(refused(BrokerStage::Connection, 5)),
    }
}

/// The URL of a broker that Kafka names.
fn server(scheme: &str, host: &str, port: i32) -> Result<Url, SendFailure> {
    if host.len() > MAX_HOST_BYTES {
        return Err(invalid("Kafka names a broker that is no host and port"));
    }
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let url = Url::parse(&format!("{scheme}://{host}:{port}")).ok();
    let is_bare = |url: &Url| url.path().is_empty() && url.username().is_empty() && url.port().is_some();
    url.filter(is_bare)
        .ok_or_else(|| invalid("Kafka names a broker that is no host and port"))
}

/// A broker's host and port: under this its connection is found again.
fn place(server: &Url) -> Result<String, SendFailure> {
    Ok(dialled(server)?.into())
}

fn topic_and_key<'a>(dialer: &Dialer<'a>) -> Result<(&'a str, &'a str), SendFailure> {
    match &dialer.message.address {
        BrokerAddress::Topic { name, key } => Ok((name, key)),
        _ => Err(failure(FailureCode::RequestInvalid, "the message has no topic")),
    }
}

fn refused(stage: BrokerStage, code: i16) -> End {
    End::Answered(Answer::new(stage, errors::status(code), errors::name(code)))
}
