//! The ordinary use of rskafka: no groups and no transactions, by its own design.

#[path = "../../facts.rs"]
mod facts;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use facts::{arguments, feature, header, key, restart_broker, round_trip, value, Facts, CODECS};
use rskafka::client::controller::ControllerClient;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};
use rskafka::BackoffConfig;
use serde_json::json;

struct Program {
    client: Client,
    controller: ControllerClient,
    prefix: String,
}

fn code<T>(result: Result<T, Error>) -> Result<i16, Box<dyn std::error::Error>> {
    match result {
        Ok(_) => Ok(0),
        Err(Error::ServerError { protocol_error, .. }) => number(protocol_error),
        Err(error) => Err(error.into()),
    }
}

/// rskafka has names for Kafka's errors, and gives their numbers to nobody.
fn number(error: ProtocolError) -> Result<i16, Box<dyn std::error::Error>> {
    match error {
        ProtocolError::MessageTooLarge => Ok(10),
        ProtocolError::InvalidTopicException => Ok(17),
        ProtocolError::TopicAlreadyExists => Ok(36),
        other => Err(other.to_string().into()),
    }
}

fn record(i: usize) -> Record {
    Record {
        key: Some(key(i).into_bytes()),
        value: Some(value(i).into_bytes()),
        headers: BTreeMap::from([("h".to_owned(), header(i).into_bytes())]),
        timestamp: Utc::now(),
    }
}

fn text(bytes: Option<&Vec<u8>>) -> String {
    String::from_utf8_lossy(bytes.map_or(&[], |bytes| bytes.as_slice())).into_owned()
}

fn codec(name: &str) -> Compression {
    match name {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    }
}

async fn read(partition: &PartitionClient, mut offset: i64, count: usize) -> Result<Vec<RecordAndOffset>, Error> {
    let mut records = Vec::new();
    while records.len() < count {
        let (got, _) = partition.fetch_records(offset, 1..1_000_000, 5_000).await?;
        let Some(last) = got.last() else { break };
        offset = last.offset + 1;
        records.extend(got);
    }
    Ok(records)
}

impl Program {
    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    async fn partitions(&self, topic: &str) -> Result<usize, Error> {
        let topics = self.client.list_topics().await?;
        Ok(topics.iter().find(|found| found.name == topic).map_or(0, |found| found.partitions.len()))
    }

    async fn create(&self, name: &str) -> Result<PartitionClient, Error> {
        let topic = self.name(name);
        self.controller.create_topic(&topic, 1, 1, 10_000).await?;
        self.client.partition_client(topic, 0, UnknownTopicHandling::Retry).await
    }

    async fn created(&self) -> Facts {
        let topic = self.name("topic");
        self.controller.create_topic(&topic, 3, 1, 10_000).await?;
        for _ in 0..100 {
            if self.partitions(&topic).await? == 3 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(json!({"partitions": self.partitions(&topic).await?}))
    }

    async fn refused(&self, topic: String) -> Facts {
        Ok(json!({"code": code(self.controller.create_topic(&topic, 3, 1, 10_000).await)?}))
    }

    async fn produced(&self, name: &str) -> Facts {
        let partition = self.create(name).await?;
        partition.produce((0..20).map(record).collect(), codec(name)).await?;
        let records = read(&partition, 0, 20).await?;
        let parts = |got: &RecordAndOffset| {
            (text(got.record.key.as_ref()), text(got.record.value.as_ref()), text(got.record.headers.get("h")))
        };
        Ok(round_trip(&records.iter().map(parts).collect::<Vec<_>>()))
    }

    async fn large(&self, partition: &PartitionClient) -> Facts {
        let one = Record { value: Some(vec![0; 900_000]), ..record(0) };
        partition.produce(vec![one], Compression::NoCompression).await?;
        let records = read(partition, 0, 1).await?;
        Ok(json!({"bytes": records[0].record.value.as_ref().map(Vec::len)}))
    }

    async fn too_large(&self, partition: &PartitionClient) -> Facts {
        let one = Record { value: Some(vec![0; 2_000_000]), ..record(0) };
        Ok(json!({"code": code(partition.produce(vec![one], Compression::NoCompression).await)?}))
    }

    async fn listed(&self, partition: &PartitionClient) -> Facts {
        partition.produce((0..20).map(record).collect(), Compression::NoCompression).await?;
        let (low, high) = (partition.get_offset(OffsetAt::Earliest).await?, partition.get_offset(OffsetAt::Latest).await?);
        Ok(json!({"earliest": low, "latest": high}))
    }

    async fn for_times(&self, partition: &PartitionClient) -> Facts {
        let first: DateTime<Utc> = read(partition, 0, 1).await?[0].record.timestamp;
        Ok(json!({"at_first": partition.get_offset(OffsetAt::Timestamp(first)).await?}))
    }

    async fn deleted_records(&self, partition: &PartitionClient) -> Facts {
        partition.delete_records(5, 10_000).await?;
        let low = partition.get_offset(OffsetAt::Earliest).await?;
        Ok(json!({"earliest": low, "first_read": read(partition, 5, 1).await?[0].offset}))
    }

    async fn deleted(&self) -> Facts {
        let topic = self.name("offsets");
        self.controller.delete_topic(&topic, 10_000).await?;
        for _ in 0..100 {
            if self.partitions(&topic).await? == 0 {
                return Ok(json!({"gone": true}));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(json!({"gone": false}))
    }

    async fn reconnected(&self) -> Facts {
        let partition = self.create("reconnect").await?;
        partition.produce((0..10).map(record).collect(), Compression::NoCompression).await?;
        let before = read(&partition, 0, 10).await?.len();
        restart_broker()?;
        partition.produce((10..20).map(record).collect(), Compression::NoCompression).await?;
        let after = read(&partition, 10, 10).await?;
        Ok(json!({"before": before, "after": after.len(), "resumed_at": after[0].offset}))
    }

    async fn run(&self) -> Result<(), Error> {
        feature("create_topic", self.created().await);
        feature("create_existing", self.refused(self.name("topic")).await);
        feature("create_invalid", self.refused(self.name("not a name")).await);
        for name in CODECS {
            feature(&format!("produce_{name}"), self.produced(name).await);
        }
        let large = self.create("large").await?;
        feature("large_message", self.large(&large).await);
        feature("too_large", self.too_large(&large).await);
        let offsets = self.create("offsets").await?;
        feature("list_offsets", self.listed(&offsets).await);
        feature("offsets_for_times", self.for_times(&offsets).await);
        feature("delete_records", self.deleted_records(&offsets).await);
        feature("delete_topic", self.deleted().await);
        feature("reconnect", self.reconnected().await);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (bootstrap, prefix) = arguments();
    let patience = BackoffConfig { deadline: Some(Duration::from_secs(60)), ..BackoffConfig::default() };
    let client = ClientBuilder::new(vec![bootstrap]).backoff_config(patience).build().await?;
    let program = Program { controller: client.controller_client()?, client, prefix };
    program.run().await?;
    Ok(())
}
