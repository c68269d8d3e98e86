// The ordinary use of Sarama. With the option "pinned" it keeps the protocol version that Sarama has by default, as
// many programs do; without it, it speaks the newest that Sarama knows.
package main

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/IBM/sarama"

	. "clients/facts"
)

var (
	bootstrap, prefix = Arguments()
	admin             = Must(sarama.NewClusterAdmin([]string{bootstrap}, settings()))
	compression       = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
)

func settings(changes ...func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	if !slices.Contains(os.Args, "pinned") {
		config.Version = sarama.MaxVersion
	}
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	for _, change := range changes {
		change(config)
	}
	return config
}

// code is the number of Kafka's error, 0 for none.
func code(err error) int16 {
	var topic *sarama.TopicError
	var known sarama.KError
	switch {
	case errors.As(err, &topic):
		return int16(topic.Err)
	case errors.As(err, &known):
		return int16(known)
	}
	Check(err)
	return 0
}

func partitions(topic string) int {
	return len(Must(admin.DescribeTopics([]string{topic}))[0].Partitions)
}

func create(name string, count int32) string {
	topic := prefix + "-" + name
	Check(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: count, ReplicationFactor: 1}, false))
	Soon(func() bool { return partitions(topic) == int(count) })
	return topic
}

func message(topic string, i int) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: topic, Key: sarama.StringEncoder(Key(i)), Value: sarama.StringEncoder(Value(i)),
		Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte(Header(i))}},
	}
}

func connect(changes ...func(*sarama.Config)) sarama.SyncProducer {
	return Must(sarama.NewSyncProducer([]string{bootstrap}, settings(changes...)))
}

func send(producer sarama.SyncProducer, topic string, first, end int) {
	var messages []*sarama.ProducerMessage
	for i := first; i < end; i++ {
		messages = append(messages, message(topic, i))
	}
	Check(producer.SendMessages(messages))
}

func produce(topic string, first, end int, changes ...func(*sarama.Config)) {
	producer := connect(changes...)
	defer producer.Close()
	send(producer, topic, first, end)
}

// read takes so many messages from a channel, and stops early when for a while nothing comes.
func read(messages <-chan *sarama.ConsumerMessage, count int) (got []*sarama.ConsumerMessage) {
	for len(got) < count {
		select {
		case message := <-messages:
			got = append(got, message)
		case <-time.After(60 * time.Second):
			return got
		}
	}
	return got
}

func readAll(topic string, count int, changes ...func(*sarama.Config)) []*sarama.ConsumerMessage {
	consumer := Must(sarama.NewConsumer([]string{bootstrap}, settings(changes...)))
	defer consumer.Close()
	partition := Must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer partition.Close()
	return read(partition.Messages(), count)
}

func readCommitted(config *sarama.Config) { config.Consumer.IsolationLevel = sarama.ReadCommitted }

func topics() {
	topic := prefix + "-topic"
	Feature("create_topic", func() (Facts, error) {
		create("topic", 3)
		return Facts{"partitions": partitions(topic)}, nil
	})
	Feature("create_existing", func() (Facts, error) {
		return Facts{"code": code(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false))}, nil
	})
	Feature("create_invalid", func() (Facts, error) {
		detail := &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}
		return Facts{"code": code(admin.CreateTopic(prefix+" not a name", detail, false))}, nil
	})
	Feature("create_partitions", func() (Facts, error) {
		Check(admin.CreatePartitions(topic, 5, nil, false))
		Soon(func() bool { return partitions(topic) == 5 })
		return Facts{"partitions": partitions(topic)}, nil
	})
	Feature("describe_cluster", func() (Facts, error) {
		brokers, _, err := admin.DescribeCluster()
		return Facts{"brokers": len(brokers)}, err
	})
	Feature("configs", func() (Facts, error) {
		value := func(key string) string {
			resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{key}}
			return Must(admin.DescribeConfig(resource))[0].Value
		}
		before, given := value("retention.ms"), "60000"
		set := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &given}}
		if settings().Version.IsAtLeast(sarama.V2_3_0_0) {
			Check(admin.IncrementalAlterConfig(sarama.TopicResource, topic, set, false))
		} else {
			Check(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &given}, false))
		}
		Soon(func() bool { return value("retention.ms") == given })
		return Facts{"before": before, "after": value("retention.ms"), "cleanup_policy": value("cleanup.policy")}, nil
	})
	Feature("unknown_topic", func() (Facts, error) {
		client := Must(sarama.NewClient([]string{bootstrap}, settings(func(c *sarama.Config) { c.Metadata.AllowAutoTopicCreation = false })))
		defer client.Close()
		_, err := client.Partitions(prefix + "-never")
		return Facts{"code": code(err)}, nil
	})
}

func codec(name string) {
	Feature("produce_"+name, func() (Facts, error) {
		topic := create(name, 1)
		produce(topic, 0, 20, func(c *sarama.Config) { c.Producer.Compression = compression[name] })
		got := readAll(topic, 20)
		return RoundTrip(len(got), func(i int) (string, string, string) {
			return string(got[i].Key), string(got[i].Value), string(got[i].Headers[0].Value)
		}), nil
	})
}

func large() {
	topic := create("large", 1)
	one := func(size int, changes ...func(*sarama.Config)) error {
		producer := connect(changes...)
		defer producer.Close()
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, size))})
		return err
	}
	Feature("large_message", func() (Facts, error) {
		Check(one(900_000))
		return Facts{"bytes": len(readAll(topic, 1)[0].Value)}, nil
	})
	Feature("too_large", func() (Facts, error) {
		err := one(2_000_000, func(c *sarama.Config) { c.Producer.MaxMessageBytes = 5_000_000 })
		return Facts{"code": code(err)}, nil
	})
}

func acks() (Facts, error) {
	topic := create("acks", 1)
	for n, wanted := range []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll} {
		produce(topic, n*10, n*10+10, func(c *sarama.Config) { c.Producer.RequiredAcks = wanted })
	}
	return Facts{"records": len(readAll(topic, 30))}, nil
}

func idempotent(config *sarama.Config) {
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
}

func begin(id string) sarama.SyncProducer {
	return connect(idempotent, func(c *sarama.Config) { c.Producer.Transaction.ID = prefix + "-" + id })
}

func transactions() {
	topic := create("transactions", 1)
	Feature("idempotent", func() (Facts, error) {
		counted := create("idempotent", 1)
		producer := connect(idempotent)
		defer producer.Close()
		for i := 0; i < 5; i++ {
			send(producer, counted, i*20, i*20+20)
		}
		return Facts{"records": len(readAll(counted, 100))}, nil
	})
	Feature("transactions", func() (Facts, error) {
		producer := begin("transactional")
		defer producer.Close()
		for n, end := range []func() error{producer.CommitTxn, producer.AbortTxn, producer.CommitTxn} {
			Check(producer.BeginTxn())
			send(producer, topic, n*10, n*10+10)
			Check(end())
		}
		committed, uncommitted := readAll(topic, 20, readCommitted), readAll(topic, 30)
		return Facts{"committed": len(committed), "uncommitted": len(uncommitted), "after_the_aborted": string(committed[10].Key)}, nil
	})
	Feature("transaction_offsets", func() (Facts, error) {
		name, sink := prefix+"-transform", create("sink", 1)
		producer := begin("transform")
		defer producer.Close()
		Check(producer.BeginTxn())
		send(producer, sink, 0, 10)
		offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: 10, LeaderEpoch: -1}}}
		Check(producer.AddOffsetsToTxn(offsets, name))
		Check(producer.CommitTxn())
		Soon(func() bool { return committed(name, topic) == 10 })
		return Facts{"offset": committed(name, topic), "records": len(readAll(sink, 10, readCommitted))}, nil
	})
	Feature("fenced", func() (Facts, error) {
		older := begin("fenced")
		defer older.Close()
		Check(older.BeginTxn())
		send(older, topic, 0, 1)
		newer := begin("fenced")
		defer newer.Close()
		Check(newer.BeginTxn())
		send(newer, topic, 1, 2)
		Check(newer.CommitTxn())
		_, _, err := older.SendMessage(message(topic, 2))
		fenced := errors.Is(err, sarama.ErrInvalidProducerEpoch) || errors.Is(err, sarama.ErrProducerFenced)
		return Facts{"fenced": fenced}, nil
	})
}

func offsets() {
	topic := create("offsets", 1)
	client := Must(sarama.NewClient([]string{bootstrap}, settings()))
	Feature("list_offsets", func() (Facts, error) {
		produce(topic, 0, 20)
		start, end := Must(client.GetOffset(topic, 0, sarama.OffsetOldest)), Must(client.GetOffset(topic, 0, sarama.OffsetNewest))
		return Facts{"earliest": start, "latest": end}, nil
	})
	Feature("offsets_for_times", func() (Facts, error) {
		first, later := readAll(topic, 20)[0].Timestamp.UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
		at, none := Must(client.GetOffset(topic, 0, first)), Must(client.GetOffset(topic, 0, later))
		return Facts{"at_first": at, "later": none}, nil
	})
	Feature("delete_records", func() (Facts, error) {
		Check(admin.DeleteRecords(topic, map[int32]int64{0: 5}))
		start := Must(client.GetOffset(topic, 0, sarama.OffsetOldest))
		return Facts{"earliest": start, "first_read": readAll(topic, 1)[0].Offset}, nil
	})
	Feature("delete_topic", func() (Facts, error) {
		Check(admin.DeleteTopic(topic))
		gone := func() bool { _, listed := Must(admin.ListTopics())[topic]; return !listed }
		return Facts{"gone": Soon(gone)}, nil
	})
	Feature("delete_unknown", func() (Facts, error) {
		return Facts{"code": code(admin.DeleteTopic(prefix + "-never"))}, nil
	})
}

func seek() (Facts, error) {
	topic := create("times", 1)
	produce(topic, 0, 10)
	time.Sleep(50 * time.Millisecond)
	now := time.Now().UnixMilli()
	produce(topic, 10, 20)
	client := Must(sarama.NewClient([]string{bootstrap}, settings()))
	defer client.Close()
	consumer := Must(sarama.NewConsumerFromClient(client))
	found := Must(client.GetOffset(topic, 0, now))
	partition := Must(consumer.ConsumePartition(topic, 0, found))
	defer partition.Close()
	return Facts{"first_read": read(partition.Messages(), 1)[0].Offset}, nil
}

func pause() (Facts, error) {
	topic := create("paused", 1)
	consumer := Must(sarama.NewConsumer([]string{bootstrap}, settings()))
	defer consumer.Close()
	partition := Must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer partition.Close()
	partition.Pause()
	produce(topic, 0, 20)
	paused := 0
	for waited := time.After(time.Second); ; {
		select {
		case <-partition.Messages():
			paused++
			continue
		case <-waited:
		}
		break
	}
	partition.Resume()
	return Facts{"while_paused": paused, "after": len(read(partition.Messages(), 20))}, nil
}

func main() {
	topics()
	for _, name := range Codecs {
		codec(name)
	}
	Feature("acks", acks)
	large()
	group()
	transactions()
	offsets()
	Feature("seek_to_time", seek)
	Feature("pause_resume", pause)
	Feature("reconnect", reconnect)
}
