// The ordinary use of franz-go.
package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	. "clients/facts"
)

var (
	bootstrap, prefix = Arguments()
	all               = context.Background()
	client            = connect()
	admin             = kadm.NewClient(client)
	compression       = map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
)

func connect(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(bootstrap), kgo.UnknownTopicRetries(2))
	return Must(kgo.NewClient(options...))
}

// code is the number of Kafka's error, 0 for none.
func code(err error) int16 {
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Code
	}
	Check(err)
	return 0
}

func create(name string, partitions int32) string {
	topic := prefix + "-" + name
	Must(admin.CreateTopic(all, partitions, 1, nil, topic))
	Soon(func() bool { return len(Must(admin.ListTopics(all, topic))[topic].Partitions) == int(partitions) })
	return topic
}

func record(topic string, i int) *kgo.Record {
	header := kgo.RecordHeader{Key: "h", Value: []byte(Header(i))}
	return &kgo.Record{Topic: topic, Key: []byte(Key(i)), Value: []byte(Value(i)), Headers: []kgo.RecordHeader{header}}
}

func send(producer *kgo.Client, topic string, first, end int) {
	for i := first; i < end; i++ {
		producer.Produce(all, record(topic, i), func(_ *kgo.Record, err error) { Check(err) })
	}
	Check(producer.Flush(all))
}

// read polls until it has so many records, and stops early when for a while nothing comes.
func read(consumer *kgo.Client, count int) []*kgo.Record {
	var records []*kgo.Record
	for len(records) < count {
		patience, cancel := context.WithTimeout(all, 60*time.Second)
		fetches := consumer.PollRecords(patience, count-len(records))
		late := patience.Err() != nil
		cancel()
		if late && fetches.NumRecords() == 0 {
			break
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func readAll(topic string, count int, options ...kgo.Opt) []*kgo.Record {
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	consumer := connect(append(options, kgo.ConsumeTopics(topic), start)...)
	defer consumer.Close()
	return read(consumer, count)
}

func topics() {
	topic := prefix + "-topic"
	Feature("create_topic", func() (Facts, error) {
		create("topic", 3)
		return Facts{"partitions": len(Must(admin.ListTopics(all, topic))[topic].Partitions)}, nil
	})
	Feature("create_existing", func() (Facts, error) {
		_, err := admin.CreateTopic(all, 3, 1, nil, topic)
		return Facts{"code": code(err)}, nil
	})
	Feature("create_invalid", func() (Facts, error) {
		_, err := admin.CreateTopic(all, 3, 1, nil, prefix+" not a name")
		return Facts{"code": code(err)}, nil
	})
	Feature("create_partitions", func() (Facts, error) {
		Must(admin.UpdatePartitions(all, 5, topic))
		Soon(func() bool { return len(Must(admin.ListTopics(all, topic))[topic].Partitions) == 5 })
		return Facts{"partitions": len(Must(admin.ListTopics(all, topic))[topic].Partitions)}, nil
	})
	Feature("describe_cluster", func() (Facts, error) {
		metadata := Must(admin.BrokerMetadata(all))
		return Facts{"brokers": len(metadata.Brokers)}, nil
	})
	Feature("configs", func() (Facts, error) {
		value := func(key string) string {
			for _, config := range Must(Must(admin.DescribeTopicConfigs(all, topic)).On(topic, nil)).Configs {
				if config.Key == key {
					return config.MaybeValue()
				}
			}
			return ""
		}
		before := value("retention.ms")
		given := "60000"
		Must(admin.AlterTopicConfigs(all, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &given}}, topic))
		Soon(func() bool { return value("retention.ms") == given })
		return Facts{"before": before, "after": value("retention.ms"), "cleanup_policy": value("cleanup.policy")}, nil
	})
	Feature("unknown_topic", func() (Facts, error) {
		err := client.ProduceSync(all, record(prefix+"-never", 0)).FirstErr()
		return Facts{"code": code(err)}, nil
	})
}

func codec(name string) {
	Feature("produce_"+name, func() (Facts, error) {
		topic := create(name, 1)
		producer := connect(kgo.ProducerBatchCompression(compression[name]), kgo.ProducerLinger(20*time.Millisecond))
		defer producer.Close()
		send(producer, topic, 0, 20)
		got := readAll(topic, 20)
		return RoundTrip(len(got), func(i int) (string, string, string) {
			return string(got[i].Key), string(got[i].Value), string(got[i].Headers[0].Value)
		}), nil
	})
}

func large() {
	topic := create("large", 1)
	Feature("large_message", func() (Facts, error) {
		Check(client.ProduceSync(all, &kgo.Record{Topic: topic, Value: make([]byte, 900_000)}).FirstErr())
		return Facts{"bytes": len(readAll(topic, 1)[0].Value)}, nil
	})
	Feature("too_large", func() (Facts, error) {
		producer := connect(kgo.ProducerBatchMaxBytes(5_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
		defer producer.Close()
		return Facts{"code": code(producer.ProduceSync(all, &kgo.Record{Topic: topic, Value: make([]byte, 2_000_000)}).FirstErr())}, nil
	})
}

func join(topic, group string, options ...kgo.Opt) *kgo.Client {
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	return connect(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), start, kgo.DisableAutoCommit())...)
}

func acks() (Facts, error) {
	topic := create("acks", 1)
	for n, wanted := range []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()} {
		producer := connect(kgo.RequiredAcks(wanted), kgo.DisableIdempotentWrite())
		send(producer, topic, n*10, n*10+10)
		producer.Close()
	}
	return Facts{"records": len(readAll(topic, 30))}, nil
}

func seek() (Facts, error) {
	topic := create("times", 1)
	send(client, topic, 0, 10)
	time.Sleep(50 * time.Millisecond)
	now := time.Now().UnixMilli()
	send(client, topic, 10, 20)
	consumer := connect(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	read(consumer, 1)
	found, _ := Must(admin.ListOffsetsAfterMilli(all, now, topic)).Lookup(topic, 0)
	consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: found.Offset}}})
	return Facts{"first_read": read(consumer, 1)[0].Offset}, nil
}

func pause() (Facts, error) {
	topic := create("paused", 1)
	consumer := connect(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	consumer.PauseFetchTopics(topic)
	send(client, topic, 0, 20)
	patience, cancel := context.WithTimeout(all, time.Second)
	defer cancel()
	paused := consumer.PollRecords(patience, 20).NumRecords()
	consumer.ResumeFetchTopics(topic)
	return Facts{"while_paused": paused, "after": len(read(consumer, 20))}, nil
}

// share lets two members have four partitions; each says what it was given and what it gave up.
func share() (Facts, error) {
	topic, name := create("shared", 4), prefix+"-shared"
	changes := func(owned *atomic.Int32, by int32) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			owned.Add(by * int32(len(partitions[topic])))
		}
	}
	enter := func(owned *atomic.Int32) *kgo.Client {
		return join(topic, name, kgo.HeartbeatInterval(500*time.Millisecond),
			kgo.OnPartitionsAssigned(changes(owned, 1)), kgo.OnPartitionsRevoked(changes(owned, -1)))
	}
	var first, second atomic.Int32
	defer enter(&first).Close()
	Soon(func() bool { return first.Load() == 4 })
	alone := first.Load()
	defer enter(&second).Close()
	Soon(func() bool { return first.Load() == 2 && second.Load() == 2 })
	return Facts{"alone": alone, "each": []int32{first.Load(), second.Load()}}, nil
}

func reconnect() (Facts, error) {
	topic := create("reconnect", 1)
	consumer := join(topic, prefix+"-reconnect")
	defer consumer.Close()
	send(client, topic, 0, 10)
	before := read(consumer, 10)
	Check(consumer.CommitRecords(all, before...))
	RestartBroker()
	send(client, topic, 10, 20)
	after := read(consumer, 10)
	return Facts{"before": len(before), "after": len(after), "resumed_at": after[0].Offset}, nil
}

func group() {
	topic, name := create("group", 1), prefix+"-group"
	Feature("group_resume", func() (Facts, error) {
		send(client, topic, 0, 20)
		first := join(topic, name)
		records := read(first, 10)
		Check(first.CommitRecords(all, records...))
		first.Close()
		second := join(topic, name)
		defer second.Close()
		rest := read(second, 10)
		return Facts{"first": len(records), "resumed_at": rest[0].Offset, "rest": len(rest)}, nil
	})
	Feature("describe_group", func() (Facts, error) {
		member := join(topic, name)
		defer member.Close()
		described := func() kadm.DescribedGroup { return Must(admin.DescribeGroups(all, name))[name] }
		Soon(func() bool { return described().State == "Stable" })
		return Facts{"state": described().State, "members": len(described().Members)}, nil
	})
	Feature("list_groups", func() (Facts, error) {
		_, listed := Must(admin.ListGroups(all))[name]
		return Facts{"listed": listed}, nil
	})
	Feature("committed_offset", func() (Facts, error) {
		offset, _ := Must(admin.FetchOffsets(all, name)).Lookup(topic, 0)
		return Facts{"offset": offset.At}, nil
	})
	Feature("move_group", func() (Facts, error) {
		var to kadm.Offsets
		to.AddOffset(topic, 0, 5, -1)
		Check(admin.CommitAllOffsets(all, name, to))
		offset, _ := Must(admin.FetchOffsets(all, name)).Lookup(topic, 0)
		return Facts{"offset": offset.At}, nil
	})
	Feature("shared_group", share)
	Feature("delete_group", func() (Facts, error) {
		Soon(func() bool { return Must(admin.DescribeGroups(all, name))[name].State == "Empty" })
		Must(admin.DeleteGroup(all, name))
		_, listed := Must(admin.ListGroups(all))[name]
		return Facts{"listed": listed}, nil
	})
}

// consumerGroup reads as a member of a next-generation group (KIP-848).
func consumerGroup() {
	Feature("consumer_protocol", func() (Facts, error) {
		topic, name := create("consumer", 1), prefix+"-consumer"
		send(client, topic, 0, 20)
		start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
		asks := context.WithValue(all, "opt_in_kafka_next_gen_balancer_beta", true)
		member := connect(kgo.WithContext(asks), kgo.ConsumerGroup(name), kgo.ConsumeTopics(topic), start)
		defer member.Close()
		return Facts{"records": len(read(member, 20))}, nil
	})
}

func transactions() {
	topic := create("transactions", 1)
	begin := func(id string) *kgo.Client {
		return connect(kgo.TransactionalID(prefix+"-"+id), kgo.TransactionTimeout(30*time.Second))
	}
	Feature("idempotent", func() (Facts, error) {
		counted := create("idempotent", 1)
		for i := 0; i < 5; i++ { // franz-go's producers are idempotent unless told otherwise
			send(client, counted, i*20, i*20+20)
		}
		return Facts{"records": len(readAll(counted, 100))}, nil
	})
	Feature("transactions", func() (Facts, error) {
		producer := begin("transactional")
		defer producer.Close()
		for n, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
			Check(producer.BeginTransaction())
			send(producer, topic, n*10, n*10+10)
			Check(producer.EndTransaction(all, end))
		}
		committed := readAll(topic, 20, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		uncommitted := readAll(topic, 30)
		return Facts{"committed": len(committed), "uncommitted": len(uncommitted), "after_the_aborted": string(committed[10].Key)}, nil
	})
	Feature("transaction_offsets", func() (Facts, error) {
		name, sink := prefix+"-transform", create("sink", 1)
		start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
		session := Must(kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(name), kgo.ConsumerGroup(name),
			kgo.ConsumeTopics(topic), start, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets()))
		defer session.Close()
		records := session.PollRecords(all, 10).Records()
		Check(session.Begin())
		for i := range records {
			session.Produce(all, record(sink, i), func(_ *kgo.Record, err error) { Check(err) })
		}
		Must(session.End(all, kgo.TryCommit))
		offset := func() int64 { o, _ := Must(admin.FetchOffsets(all, name)).Lookup(topic, 0); return o.At }
		Soon(func() bool { return offset() == 10 })
		return Facts{"offset": offset(), "records": len(readAll(sink, 10, kgo.FetchIsolationLevel(kgo.ReadCommitted())))}, nil
	})
	Feature("fenced", func() (Facts, error) {
		older, newer := begin("fenced"), begin("fenced")
		defer older.Close()
		defer newer.Close()
		Check(older.BeginTransaction())
		send(older, topic, 0, 1)
		Check(newer.BeginTransaction())
		send(newer, topic, 1, 2)
		Check(newer.EndTransaction(all, kgo.TryCommit))
		err := older.ProduceSync(all, record(topic, 2)).FirstErr()
		return Facts{"fenced": code(err) == kerr.InvalidProducerEpoch.Code || code(err) == kerr.ProducerFenced.Code}, nil
	})
}

func offsets() {
	topic := create("offsets", 1)
	Feature("list_offsets", func() (Facts, error) {
		send(client, topic, 0, 20)
		start, _ := Must(admin.ListStartOffsets(all, topic)).Lookup(topic, 0)
		end, _ := Must(admin.ListEndOffsets(all, topic)).Lookup(topic, 0)
		return Facts{"earliest": start.Offset, "latest": end.Offset}, nil
	})
	Feature("offsets_for_times", func() (Facts, error) {
		first, later := readAll(topic, 20)[0].Timestamp.UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
		at, _ := Must(admin.ListOffsetsAfterMilli(all, first, topic)).Lookup(topic, 0)
		none, _ := Must(admin.ListOffsetsAfterMilli(all, later, topic)).Lookup(topic, 0)
		return Facts{"at_first": at.Offset, "later": none.Offset}, nil
	})
	Feature("delete_records", func() (Facts, error) {
		var until kadm.Offsets
		until.AddOffset(topic, 0, 5, -1)
		Must(admin.DeleteRecords(all, until))
		start, _ := Must(admin.ListStartOffsets(all, topic)).Lookup(topic, 0)
		return Facts{"earliest": start.Offset, "first_read": readAll(topic, 1)[0].Offset}, nil
	})
	Feature("delete_topic", func() (Facts, error) {
		Must(admin.DeleteTopic(all, topic))
		gone := func() bool {
			return errors.Is(Must(admin.ListTopics(all, topic))[topic].Err, kerr.UnknownTopicOrPartition)
		}
		return Facts{"gone": Soon(gone)}, nil
	})
	Feature("delete_unknown", func() (Facts, error) {
		_, err := admin.DeleteTopic(all, strings.Repeat("n", 10)+prefix)
		return Facts{"code": code(err)}, nil
	})
}

func main() {
	topics()
	for _, name := range Codecs {
		codec(name)
	}
	Feature("acks", acks)
	large()
	group()
	consumerGroup()
	transactions()
	offsets()
	Feature("seek_to_time", seek)
	Feature("pause_resume", pause)
	Feature("reconnect", reconnect)
}
