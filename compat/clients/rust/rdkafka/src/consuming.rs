//! How consumers seek, pause, share partitions and come back, and what producers want acknowledged.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::Offset;
use serde_json::json;

use super::facts::{restart_broker, Facts};
use super::{done, one, read, send, Done, Program, PATIENCE};

/// Polls all members in turn, until each owns so many partitions or patience ends; how many each owns then.
fn owned(members: &[&BaseConsumer], wanted: &[usize]) -> Done<Vec<usize>> {
    let start = Instant::now();
    loop {
        for member in members {
            member.poll(Duration::from_millis(100)).transpose()?;
        }
        let counts = members.iter().map(|member| Ok(member.assignment()?.count())).collect::<Done<Vec<_>>>()?;
        if counts == wanted || start.elapsed() > PATIENCE {
            return Ok(counts);
        }
    }
}

impl Program {
    pub async fn acks(&self) -> Facts {
        let topic = self.create("acks").await?;
        for (n, wanted) in ["0", "1", "all"].into_iter().enumerate() {
            send(&self.producer(&[("acks", wanted)])?, &topic, n * 10..n * 10 + 10).await?;
        }
        Ok(json!({"records": self.read_all(&topic, 30, &[])?.len()}))
    }

    pub async fn seek(&self) -> Facts {
        let (topic, producer) = (self.create("times").await?, self.producer(&[])?);
        send(&producer, &topic, 0..10).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        send(&producer, &topic, 10..20).await?;
        let consumer: BaseConsumer = self.settings(&[]).create()?;
        consumer.assign(&one(&topic, Offset::Beginning)?)?;
        read(&consumer, 1)?;
        consumer.seek(&topic, 0, Offset::Offset(self.at(&topic, now)?), PATIENCE)?;
        Ok(json!({"first_read": read(&consumer, 1)?[0].offset()}))
    }

    pub async fn pause(&self) -> Facts {
        let topic = self.create("paused").await?;
        let (consumer, partition): (BaseConsumer, _) = (self.settings(&[]).create()?, one(&topic, Offset::Beginning)?);
        consumer.assign(&partition)?;
        consumer.pause(&partition)?;
        send(&self.producer(&[])?, &topic, 0..20).await?;
        let paused = usize::from(consumer.poll(Duration::from_secs(1)).is_some());
        consumer.resume(&partition)?;
        Ok(json!({"while_paused": paused, "after": read(&consumer, 20)?.len()}))
    }

    pub async fn share(&self) -> Facts {
        let (topic, group) = (self.name("shared"), self.name("shared"));
        done(self.made(&topic, 4).await?)?;
        self.until(&topic, 4).await?;
        let first = self.join(&group, &topic, &[("heartbeat.interval.ms", "500")])?;
        let alone = owned(&[&first], &[4])?;
        let second = self.join(&group, &topic, &[])?;
        Ok(json!({"alone": alone[0], "each": owned(&[&first, &second], &[2, 2])?}))
    }

    pub fn move_group(&self, group: &str, topic: &str) -> Facts {
        let consumer: BaseConsumer = self.settings(&[]).set("group.id", group).create()?;
        consumer.commit(&one(topic, Offset::Offset(5))?, CommitMode::Sync)?;
        Ok(json!({"offset": self.committed(group, topic)?}))
    }

    pub async fn reconnect(&self) -> Facts {
        let (topic, producer) = (self.create("reconnect").await?, self.producer(&[])?);
        let consumer = self.join(&self.name("reconnect"), &topic, &[])?;
        send(&producer, &topic, 0..10).await?;
        let before = read(&consumer, 10)?.len();
        consumer.commit(&one(&topic, Offset::Offset(10))?, CommitMode::Sync)?;
        restart_broker()?;
        send(&producer, &topic, 10..20).await?;
        let start = Instant::now();
        let mut after = Vec::new();
        while after.len() < 10 && start.elapsed() < PATIENCE {
            // That the broker was away is told as an error, too.
            after.extend(consumer.poll(Duration::from_millis(200)).and_then(Result::ok).map(|message| message.detach()));
        }
        Ok(json!({"before": before, "after": after.len(), "resumed_at": after.first().map(Message::offset)}))
    }
}
