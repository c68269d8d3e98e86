// The ordinary use of kafka-go.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	. "clients/facts"
)

var (
	bootstrap, prefix = Arguments()
	all               = context.Background()
	client            = &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second}
	compression       = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
)

// code is the number of Kafka's error, 0 for none.
func code(err error) int {
	var known kafka.Error
	var several kafka.WriteErrors
	var tooLarge kafka.MessageTooLargeError
	switch {
	case errors.As(err, &tooLarge):
		return int(kafka.MessageSizeTooLarge)
	case errors.As(err, &several):
		return code(several[0])
	case errors.As(err, &known):
		return int(known)
	}
	Check(err)
	return 0
}

func partitions(topic string) int {
	metadata := Must(client.Metadata(all, &kafka.MetadataRequest{Topics: []string{topic}}))
	return len(metadata.Topics[0].Partitions)
}

func created(topic string, count int) error {
	config := kafka.TopicConfig{Topic: topic, NumPartitions: count, ReplicationFactor: 1}
	return Must(client.CreateTopics(all, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})).Errors[topic]
}

func create(name string, count int) string {
	topic := prefix + "-" + name
	Check(created(topic, count))
	Soon(func() bool { return partitions(topic) == count })
	return topic
}

func writer(topic string) *kafka.Writer {
	return &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
}

func messages(first, end int) (made []kafka.Message) {
	for i := first; i < end; i++ {
		header := kafka.Header{Key: "h", Value: []byte(Header(i))}
		made = append(made, kafka.Message{Key: []byte(Key(i)), Value: []byte(Value(i)), Headers: []kafka.Header{header}})
	}
	return made
}

func produce(topic string, first, end int) {
	to := writer(topic)
	defer to.Close()
	Check(to.WriteMessages(all, messages(first, end)...))
}

func read(reader *kafka.Reader, count int) (got []kafka.Message) {
	patience, cancel := context.WithTimeout(all, 60*time.Second)
	defer cancel()
	for len(got) < count {
		message, err := reader.FetchMessage(patience)
		if err != nil {
			break
		}
		got = append(got, message)
	}
	return got
}

func readAll(topic string, count int) []kafka.Message {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic, MaxWait: 500 * time.Millisecond, MaxBytes: 10e6})
	defer reader.Close()
	return read(reader, count)
}

func topics() {
	topic := prefix + "-topic"
	Feature("create_topic", func() (Facts, error) {
		create("topic", 3)
		return Facts{"partitions": partitions(topic)}, nil
	})
	Feature("create_existing", func() (Facts, error) { return Facts{"code": code(created(topic, 3))}, nil })
	Feature("create_invalid", func() (Facts, error) { return Facts{"code": code(created(prefix+" not a name", 3))}, nil })
	Feature("create_partitions", func() (Facts, error) {
		more := kafka.TopicPartitionsConfig{Name: topic, Count: 5}
		answer := Must(client.CreatePartitions(all, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{more}}))
		Check(answer.Errors[topic])
		Soon(func() bool { return partitions(topic) == 5 })
		return Facts{"partitions": partitions(topic)}, nil
	})
	Feature("describe_cluster", func() (Facts, error) {
		return Facts{"brokers": len(Must(client.Metadata(all, &kafka.MetadataRequest{})).Brokers)}, nil
	})
	Feature("configs", func() (Facts, error) {
		value := func(key string) string {
			resource := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{key}}
			asked := &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{resource}}
			return Must(client.DescribeConfigs(all, asked)).Resources[0].ConfigEntries[0].ConfigValue
		}
		before := value("retention.ms")
		set := kafka.IncrementalAlterConfigsRequestConfig{Name: "retention.ms", Value: "60000", ConfigOperation: kafka.ConfigOperationSet}
		resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{set}}
		Must(client.IncrementalAlterConfigs(all, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{resource}}))
		Soon(func() bool { return value("retention.ms") == "60000" })
		return Facts{"before": before, "after": value("retention.ms"), "cleanup_policy": value("cleanup.policy")}, nil
	})
	Feature("unknown_topic", func() (Facts, error) {
		to := writer(prefix + "-never")
		defer to.Close()
		return Facts{"code": code(to.WriteMessages(all, messages(0, 1)...))}, nil
	})
}

func codec(name string) {
	Feature("produce_"+name, func() (Facts, error) {
		topic := create(name, 1)
		to := writer(topic)
		to.Compression = compression[name]
		defer to.Close()
		Check(to.WriteMessages(all, messages(0, 20)...))
		got := readAll(topic, 20)
		return RoundTrip(len(got), func(i int) (string, string, string) {
			return string(got[i].Key), string(got[i].Value), string(got[i].Headers[0].Value)
		}), nil
	})
}

func large() {
	topic := create("large", 1)
	one := func(size int) error {
		to := writer(topic)
		to.BatchBytes = 5_000_000
		defer to.Close()
		return to.WriteMessages(all, kafka.Message{Value: make([]byte, size)})
	}
	Feature("large_message", func() (Facts, error) {
		Check(one(900_000))
		return Facts{"bytes": len(readAll(topic, 1)[0].Value)}, nil
	})
	Feature("too_large", func() (Facts, error) { return Facts{"code": code(one(2_000_000))}, nil })
}

func join(name, topic string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{bootstrap}, GroupID: name, Topic: topic, StartOffset: kafka.FirstOffset,
		MaxWait: 500 * time.Millisecond, HeartbeatInterval: 500 * time.Millisecond, SessionTimeout: 6 * time.Second, RebalanceTimeout: 6 * time.Second,
	})
}

func acks() (Facts, error) {
	topic := create("acks", 1)
	for n, wanted := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
		to := writer(topic)
		to.RequiredAcks = wanted
		Check(to.WriteMessages(all, messages(n*10, n*10+10)...))
		Check(to.Close())
	}
	return Facts{"records": len(readAll(topic, 30))}, nil
}

func seek() (Facts, error) {
	topic := create("times", 1)
	produce(topic, 0, 10)
	time.Sleep(50 * time.Millisecond)
	now := time.Now()
	produce(topic, 10, 20)
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic, MaxWait: 500 * time.Millisecond})
	defer reader.Close()
	read(reader, 1)
	Check(reader.SetOffsetAt(all, now))
	return Facts{"first_read": read(reader, 1)[0].Offset}, nil
}

func reconnect() (Facts, error) {
	topic := create("reconnect", 1)
	to, reader := writer(topic), join(prefix+"-reconnect", topic)
	defer to.Close()
	defer reader.Close()
	Check(to.WriteMessages(all, messages(0, 10)...))
	before := read(reader, 10)
	Check(reader.CommitMessages(all, before...))
	RestartBroker()
	Check(to.WriteMessages(all, messages(10, 20)...))
	after := read(reader, 10)
	return Facts{"before": len(before), "after": len(after), "resumed_at": after[0].Offset}, nil
}

func group() {
	topic, name := create("group", 1), prefix+"-group"
	described := func() kafka.DescribeGroupsResponseGroup {
		return Must(client.DescribeGroups(all, &kafka.DescribeGroupsRequest{GroupIDs: []string{name}})).Groups[0]
	}
	listed := func() bool {
		for _, group := range Must(client.ListGroups(all, &kafka.ListGroupsRequest{})).Groups {
			if group.GroupID == name {
				return true
			}
		}
		return false
	}
	Feature("group_resume", func() (Facts, error) {
		produce(topic, 0, 20)
		first := join(name, topic)
		records := read(first, 10)
		Check(first.CommitMessages(all, records...))
		Check(first.Close())
		second := join(name, topic)
		defer second.Close()
		rest := read(second, 10)
		return Facts{"first": len(records), "resumed_at": rest[0].Offset, "rest": len(rest)}, nil
	})
	Feature("describe_group", func() (Facts, error) {
		member := join(name, topic)
		defer member.Close()
		Soon(func() bool { return described().GroupState == "Stable" })
		return Facts{"state": described().GroupState, "members": len(described().Members)}, nil
	})
	Feature("list_groups", func() (Facts, error) { return Facts{"listed": listed()}, nil })
	committed := func() (Facts, error) {
		asked := &kafka.OffsetFetchRequest{GroupID: name, Topics: map[string][]int{topic: {0}}}
		return Facts{"offset": Must(client.OffsetFetch(all, asked)).Topics[topic][0].CommittedOffset}, nil
	}
	Feature("committed_offset", committed)
	Feature("move_group", func() (Facts, error) {
		offsets := map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 5}}}
		Must(client.OffsetCommit(all, &kafka.OffsetCommitRequest{GroupID: name, GenerationID: -1, Topics: offsets}))
		return committed()
	})
	Feature("delete_group", func() (Facts, error) {
		Soon(func() bool { return described().GroupState == "Empty" })
		Check(Must(client.DeleteGroups(all, &kafka.DeleteGroupsRequest{GroupIDs: []string{name}})).Errors[name])
		return Facts{"listed": listed()}, nil
	})
}

func offsets() {
	topic := create("offsets", 1)
	ask := func(request kafka.OffsetRequest) kafka.PartitionOffsets {
		asked := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {request}}}
		return Must(client.ListOffsets(all, asked)).Topics[topic][0]
	}
	Feature("list_offsets", func() (Facts, error) {
		produce(topic, 0, 20)
		return Facts{"earliest": ask(kafka.FirstOffsetOf(0)).FirstOffset, "latest": ask(kafka.LastOffsetOf(0)).LastOffset}, nil
	})
	Feature("offsets_for_times", func() (Facts, error) {
		found := 0
		for offset := range ask(kafka.TimeOffsetOf(0, readAll(topic, 20)[0].Time)).Offsets {
			found = int(offset)
		}
		return Facts{"at_first": found}, nil
	})
	Feature("delete_topic", func() (Facts, error) {
		Check(Must(client.DeleteTopics(all, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic])
		return Facts{"gone": Soon(func() bool { return partitions(topic) == 0 })}, nil
	})
	Feature("delete_unknown", func() (Facts, error) {
		name := prefix + "-never"
		return Facts{"code": code(Must(client.DeleteTopics(all, &kafka.DeleteTopicsRequest{Topics: []string{name}})).Errors[name])}, nil
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
	offsets()
	Feature("seek_to_time", seek)
	Feature("reconnect", reconnect)
}
