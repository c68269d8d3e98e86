//! The ordinary use of rdkafka, the Rust binding of librdkafka.

mod consuming;
#[path = "../../facts.rs"]
mod facts;

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use facts::{arguments, feature, header, key, round_trip, value, Facts, CODECS};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

type Done<T> = Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(60);

struct Program {
    bootstrap: String,
    prefix: String,
    admin: AdminClient<DefaultClientContext>,
    asker: BaseConsumer,
}

fn code(result: Vec<TopicResult>) -> i32 {
    result.into_iter().next().expect("one result").map_or_else(|(_, code)| code as i32, |_| 0)
}

fn done(result: Vec<TopicResult>) -> Done<()> {
    result.into_iter().next().expect("one result").map(|_| ()).map_err(|(name, code)| format!("{name}: {code}").into())
}

fn one(topic: &str, offset: Offset) -> Done<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, offset)?;
    Ok(list)
}

fn read(consumer: &BaseConsumer, count: usize) -> Done<Vec<OwnedMessage>> {
    let (mut messages, start) = (Vec::new(), Instant::now());
    while messages.len() < count && start.elapsed() < PATIENCE {
        if let Some(message) = consumer.poll(Duration::from_millis(200)) {
            messages.push(message?.detach());
        }
    }
    Ok(messages)
}

async fn send(producer: &FutureProducer, topic: &str, numbers: std::ops::Range<usize>) -> Result<(), KafkaError> {
    let mut sent = Vec::new();
    for i in numbers {
        let (key, value, text) = (key(i), value(i), header(i));
        let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some(&text) });
        let record = FutureRecord::to(topic).key(&key).payload(&value).headers(headers);
        sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    for delivery in sent {
        delivery.await.expect("the producer lives").map_err(|(error, _)| error)?;
    }
    Ok(())
}

impl Program {
    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn settings(&self, pairs: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("group.id", "nobody").set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest");
        for (key, value) in pairs {
            config.set(*key, *value);
        }
        config
    }

    fn producer(&self, pairs: &[(&str, &str)]) -> Done<FutureProducer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("linger.ms", "20");
        for (key, value) in pairs {
            config.set(*key, *value);
        }
        Ok(config.create()?)
    }

    fn partitions(&self, topic: &str) -> Done<usize> {
        let metadata = self.asker.fetch_metadata(None, PATIENCE)?;
        Ok(metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |found| found.partitions().len()))
    }

    async fn until(&self, topic: &str, count: usize) -> Done<usize> {
        let start = Instant::now();
        while self.partitions(topic)? != count && start.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.partitions(topic)
    }

    async fn made(&self, topic: &str, partitions: i32) -> Result<Vec<TopicResult>, KafkaError> {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        self.admin.create_topics([&new], &AdminOptions::new()).await
    }

    async fn create(&self, name: &str) -> Done<String> {
        let topic = self.name(name);
        done(self.made(&topic, 1).await?)?;
        self.until(&topic, 1).await?;
        Ok(topic)
    }

    fn read_all(&self, topic: &str, count: usize, pairs: &[(&str, &str)]) -> Done<Vec<OwnedMessage>> {
        let consumer: BaseConsumer = self.settings(pairs).create()?;
        consumer.assign(&one(topic, Offset::Beginning)?)?;
        read(&consumer, count)
    }

    async fn create_topic(&self) -> Facts {
        let topic = self.name("topic");
        done(self.made(&topic, 3).await?)?;
        Ok(json!({"partitions": self.until(&topic, 3).await?}))
    }

    async fn refused(&self, topic: String) -> Facts {
        Ok(json!({"code": code(self.made(&topic, 3).await?)}))
    }

    async fn grow(&self) -> Facts {
        let topic = self.name("topic");
        done(self.admin.create_partitions([&NewPartitions::new(&topic, 5)], &AdminOptions::new()).await?)?;
        Ok(json!({"partitions": self.until(&topic, 5).await?}))
    }

    async fn config(&self, name: &str) -> Done<String> {
        let topic = self.name("topic");
        let described = self.admin.describe_configs([&ResourceSpecifier::Topic(&topic)], &AdminOptions::new()).await?;
        let resource = described.into_iter().next().expect("one resource")?;
        Ok(resource.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default())
    }

    async fn configs(&self) -> Facts {
        let (topic, before) = (self.name("topic"), self.config("retention.ms").await?);
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("retention.ms", "60000");
        self.admin.alter_configs([&change], &AdminOptions::new()).await?;
        let start = Instant::now();
        while self.config("retention.ms").await? != "60000" && start.elapsed() < PATIENCE {}
        let (after, policy) = (self.config("retention.ms").await?, self.config("cleanup.policy").await?);
        Ok(json!({"before": before, "after": after, "cleanup_policy": policy}))
    }

    async fn codec(&self, name: &str) -> Facts {
        let topic = self.create(name).await?;
        send(&self.producer(&[("compression.type", name)])?, &topic, 0..20).await?;
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let parts = |message: &OwnedMessage| {
            let first = message.headers().and_then(|headers| headers.get(0).value);
            (text(message.key()), text(message.payload()), text(first))
        };
        Ok(round_trip(&self.read_all(&topic, 20, &[])?.iter().map(parts).collect::<Vec<_>>()))
    }

    async fn sized(&self, topic: &str, size: usize) -> Done<i32> {
        let (producer, payload) = (self.producer(&[("message.max.bytes", "5000000")])?, vec![0; size]);
        let sent = producer.send(FutureRecord::<(), Vec<u8>>::to(topic).payload(&payload), PATIENCE).await;
        Ok(sent.map_or_else(|(error, _)| error.rdkafka_error_code().map_or(-1, |code| code as i32), |_| 0))
    }

    async fn large(&self, topic: &str) -> Facts {
        self.sized(topic, 900_000).await?;
        Ok(json!({"bytes": self.read_all(topic, 1, &[])?[0].payload().map(<[u8]>::len)}))
    }

    fn join(&self, group: &str, topic: &str, pairs: &[(&str, &str)]) -> Done<BaseConsumer> {
        let consumer: BaseConsumer = self.settings(pairs).set("group.id", group).create()?;
        consumer.subscribe(&[topic])?;
        Ok(consumer)
    }

    async fn group_resume(&self, group: &str, topic: &str) -> Facts {
        send(&self.producer(&[])?, topic, 0..20).await?;
        let first = {
            let member = self.join(group, topic, &[])?;
            let records = read(&member, 10)?;
            member.commit(&one(topic, Offset::Offset(records[9].offset() + 1))?, CommitMode::Sync)?;
            records.len()
        };
        let rest = read(&self.join(group, topic, &[])?, 10)?;
        Ok(json!({"first": first, "resumed_at": rest[0].offset(), "rest": rest.len()}))
    }

    fn describe_group(&self, group: &str, topic: &str) -> Facts {
        let member = self.join(group, topic, &[])?;
        read(&member, 1)?;
        let found = self.asker.fetch_group_list(Some(group), PATIENCE)?;
        Ok(json!({"state": found.groups()[0].state(), "members": found.groups()[0].members().len()}))
    }

    fn listed(&self, group: &str) -> Facts {
        let found = self.asker.fetch_group_list(None, PATIENCE)?;
        Ok(json!({"listed": found.groups().iter().any(|found| found.name() == group)}))
    }

    fn committed(&self, group: &str, topic: &str) -> Done<i64> {
        let asker: BaseConsumer = self.settings(&[]).set("group.id", group).create()?;
        let offsets = asker.committed_offsets(one(topic, Offset::Invalid)?, PATIENCE)?;
        Ok(offsets.elements()[0].offset().to_raw().unwrap_or(-1))
    }

    async fn delete_group(&self, group: &str) -> Facts {
        let start = Instant::now();
        while self.asker.fetch_group_list(Some(group), PATIENCE)?.groups()[0].state() != "Empty" && start.elapsed() < PATIENCE {}
        let results = self.admin.delete_groups(&[group], &AdminOptions::new()).await?;
        results.into_iter().next().expect("one result").map_err(|(name, code)| format!("{name}: {code}"))?;
        self.listed(group)
    }

    fn next_generation(&self, topic: &str) -> Facts {
        let member = self.join(&self.name("consumer"), topic, &[("group.protocol", "consumer")])?;
        Ok(json!({"records": read(&member, 20)?.len()}))
    }

    async fn groups(&self) -> Done<()> {
        let (topic, group) = (self.create("group").await?, self.name("group"));
        feature("group_resume", self.group_resume(&group, &topic).await);
        feature("describe_group", self.describe_group(&group, &topic));
        feature("list_groups", self.listed(&group));
        feature("committed_offset", self.committed(&group, &topic).map(|offset| json!({"offset": offset})));
        feature("move_group", self.move_group(&group, &topic));
        feature("shared_group", self.share().await);
        feature("delete_group", self.delete_group(&group).await);
        feature("consumer_protocol", self.next_generation(&topic));
        Ok(())
    }

    async fn idempotent(&self) -> Facts {
        let (topic, producer) = (self.create("idempotent").await?, self.producer(&[("enable.idempotence", "true")])?);
        for n in 0..5 {
            send(&producer, &topic, n * 20..n * 20 + 20).await?;
        }
        Ok(json!({"records": self.read_all(&topic, 100, &[])?.len()}))
    }

    fn begin(&self, id: &str) -> Done<FutureProducer> {
        let producer = self.producer(&[("transactional.id", &self.name(id))])?;
        producer.init_transactions(PATIENCE)?;
        producer.begin_transaction()?;
        Ok(producer)
    }

    async fn commit_and_abort(&self, topic: &str) -> Facts {
        let producer = self.begin("transactional")?;
        send(&producer, topic, 0..10).await?;
        producer.commit_transaction(PATIENCE)?;
        producer.begin_transaction()?;
        send(&producer, topic, 10..20).await?;
        producer.abort_transaction(PATIENCE)?;
        producer.begin_transaction()?;
        send(&producer, topic, 20..30).await?;
        producer.commit_transaction(PATIENCE)?;
        let committed = self.read_all(topic, 20, &[("isolation.level", "read_committed")])?;
        let uncommitted = self.read_all(topic, 30, &[("isolation.level", "read_uncommitted")])?;
        let after = String::from_utf8_lossy(committed[10].key().unwrap_or_default()).into_owned();
        Ok(json!({"committed": committed.len(), "uncommitted": uncommitted.len(), "after_the_aborted": after}))
    }

    async fn transaction_offsets(&self, topic: &str) -> Facts {
        let (sink, group) = (self.create("sink").await?, self.name("transform"));
        let consumer = self.join(&group, topic, &[])?;
        let count = read(&consumer, 10)?.len();
        let producer = self.begin("transform")?;
        send(&producer, &sink, 0..count).await?;
        let metadata = consumer.group_metadata().expect("a member");
        producer.send_offsets_to_transaction(&one(topic, Offset::Offset(10))?, &metadata, PATIENCE)?;
        producer.commit_transaction(PATIENCE)?;
        let start = Instant::now();
        while self.committed(&group, topic)? != 10 && start.elapsed() < PATIENCE {}
        let records = self.read_all(&sink, 10, &[("isolation.level", "read_committed")])?.len();
        Ok(json!({"offset": self.committed(&group, topic)?, "records": records}))
    }

    async fn fenced(&self, topic: &str) -> Facts {
        let older = self.begin("fenced")?;
        send(&older, topic, 0..1).await?;
        let newer = self.begin("fenced")?;
        send(&newer, topic, 1..2).await?;
        newer.commit_transaction(PATIENCE)?;
        send(&older, topic, 2..3).await.err();
        let fatal = older.client().fatal_error().map(|(code, _)| format!("{code:?}"));
        Ok(json!({"fenced": fatal.is_some_and(|name| name.contains("Fenced"))}))
    }

    async fn offsets(&self) -> Done<()> {
        let topic = self.create("offsets").await?;
        feature("list_offsets", self.watermarks(&topic).await);
        feature("offsets_for_times", self.for_times(&topic));
        feature("delete_records", self.delete_records(&topic).await);
        feature("delete_topic", self.delete_topic(&topic).await);
        let never = self.name("never");
        let unknown = self.admin.delete_topics(&[&never], &AdminOptions::new()).await?;
        feature("delete_unknown", Ok(json!({"code": code(unknown)})));
        Ok(())
    }

    async fn watermarks(&self, topic: &str) -> Facts {
        send(&self.producer(&[])?, topic, 0..20).await?;
        let (low, high) = self.asker.fetch_watermarks(topic, 0, PATIENCE)?;
        Ok(json!({"earliest": low, "latest": high}))
    }

    fn at(&self, topic: &str, ms: i64) -> Done<i64> {
        let found = self.asker.offsets_for_times(one(topic, Offset::Offset(ms))?, PATIENCE)?;
        Ok(found.elements()[0].offset().to_raw().unwrap_or(-1))
    }

    fn for_times(&self, topic: &str) -> Facts {
        let first = self.read_all(topic, 1, &[])?[0].timestamp().to_millis().unwrap_or_default();
        let later = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64 + 3_600_000;
        Ok(json!({"at_first": self.at(topic, first)?, "later": self.at(topic, later)?}))
    }

    async fn delete_records(&self, topic: &str) -> Facts {
        self.admin.delete_records(&one(topic, Offset::Offset(5))?, &AdminOptions::new()).await?;
        let (low, _) = self.asker.fetch_watermarks(topic, 0, PATIENCE)?;
        Ok(json!({"earliest": low, "first_read": self.read_all(topic, 1, &[])?[0].offset()}))
    }

    async fn delete_topic(&self, topic: &str) -> Facts {
        done(self.admin.delete_topics(&[topic], &AdminOptions::new()).await?)?;
        Ok(json!({"gone": self.until(topic, 0).await? == 0}))
    }

    async fn run(&self) -> Done<()> {
        feature("create_topic", self.create_topic().await);
        feature("create_existing", self.refused(self.name("topic")).await);
        feature("create_invalid", self.refused(self.name("not a name")).await);
        feature("create_partitions", self.grow().await);
        let metadata = self.asker.fetch_metadata(None, PATIENCE)?;
        feature("describe_cluster", Ok(json!({"brokers": metadata.brokers().len()})));
        feature("configs", self.configs().await);
        for name in CODECS {
            feature(&format!("produce_{name}"), self.codec(name).await);
        }
        feature("acks", self.acks().await);
        let large = self.create("large").await?;
        feature("large_message", self.large(&large).await);
        feature("too_large", self.sized(&large, 2_000_000).await.map(|code| json!({"code": code})));
        self.groups().await?;
        let topic = self.create("transactions").await?;
        feature("idempotent", self.idempotent().await);
        feature("transactions", self.commit_and_abort(&topic).await);
        feature("transaction_offsets", self.transaction_offsets(&topic).await);
        feature("fenced", self.fenced(&topic).await);
        self.offsets().await?;
        feature("seek_to_time", self.seek().await);
        feature("pause_resume", self.pause().await);
        feature("reconnect", self.reconnect().await);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Done<()> {
    let (bootstrap, prefix) = arguments();
    let config: HashMap<String, String> = HashMap::from([("bootstrap.servers".to_owned(), bootstrap.clone())]);
    let client: ClientConfig = config.into_iter().collect();
    let program = Program { admin: client.create()?, asker: client.clone().set("group.id", "nobody").create()?, bootstrap, prefix };
    program.run().await
}
