package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	. "clients/facts"
)

// member hands over what it reads in a group, until it is told to leave; one that commits does so for each message.
type member struct {
	commits  bool
	messages chan *sarama.ConsumerMessage
	leave    context.CancelFunc
	left     chan error
	owned    atomic.Int32
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	for _, partitions := range session.Claims() {
		m.owned.Store(int32(len(partitions)))
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.owned.Store(0)
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case m.messages <- message:
			if m.commits {
				session.MarkMessage(message, "")
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func join(name, topic string, commits bool) *member {
	group := Must(sarama.NewConsumerGroup([]string{bootstrap}, name, settings(func(c *sarama.Config) {
		c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	})))
	asked, leave := context.WithCancel(context.Background())
	joined := &member{commits: commits, messages: make(chan *sarama.ConsumerMessage), leave: leave, left: make(chan error, 1)}
	go func() {
		for asked.Err() == nil {
			if group.Consume(asked, []string{topic}, joined) != nil {
				time.Sleep(100 * time.Millisecond) // the broker is away for a moment
			}
		}
		joined.left <- group.Close()
	}()
	return joined
}

func (m *member) stop() {
	m.leave()
	Check(<-m.left)
}

func group() {
	topic, name := create("group", 1), prefix+"-group"
	described := func() *sarama.GroupDescription { return Must(admin.DescribeConsumerGroups([]string{name}))[0] }
	Feature("group_resume", func() (Facts, error) {
		produce(topic, 0, 20)
		first := join(name, topic, true)
		records := read(first.messages, 10)
		first.stop()
		second := join(name, topic, false)
		rest := read(second.messages, 10)
		second.stop()
		return Facts{"first": len(records), "resumed_at": rest[0].Offset, "rest": len(rest)}, nil
	})
	Feature("describe_group", func() (Facts, error) {
		one := join(name, topic, false)
		defer one.stop()
		Soon(func() bool { return described().State == "Stable" })
		return Facts{"state": described().State, "members": len(described().Members)}, nil
	})
	Feature("list_groups", func() (Facts, error) {
		_, listed := Must(admin.ListConsumerGroups())[name]
		return Facts{"listed": listed}, nil
	})
	Feature("committed_offset", func() (Facts, error) {
		return Facts{"offset": committed(name, topic)}, nil
	})
	Feature("move_group", func() (Facts, error) {
		client := Must(sarama.NewClient([]string{bootstrap}, settings()))
		defer client.Close()
		offsets := Must(sarama.NewOffsetManagerFromClient(name, client))
		defer offsets.Close()
		partition := Must(offsets.ManagePartition(topic, 0))
		defer partition.AsyncClose()
		partition.ResetOffset(5, "")
		offsets.Commit()
		return Facts{"offset": committed(name, topic)}, nil
	})
	Feature("shared_group", share)
	Feature("delete_group", func() (Facts, error) {
		Soon(func() bool { return described().State == "Empty" })
		Check(admin.DeleteConsumerGroup(name))
		_, listed := Must(admin.ListConsumerGroups())[name]
		return Facts{"listed": listed}, nil
	})
}

func committed(name, topic string) int64 {
	return Must(admin.ListConsumerGroupOffsets(name, map[string][]int32{topic: {0}})).GetBlock(topic, 0).Offset
}

func share() (Facts, error) {
	topic, name := create("shared", 4), prefix+"-shared"
	first := join(name, topic, false)
	defer first.stop()
	Soon(func() bool { return first.owned.Load() == 4 })
	alone := first.owned.Load()
	second := join(name, topic, false)
	defer second.stop()
	Soon(func() bool { return first.owned.Load() == 2 && second.owned.Load() == 2 })
	return Facts{"alone": alone, "each": []int32{first.owned.Load(), second.owned.Load()}}, nil
}

func reconnect() (Facts, error) {
	topic := create("reconnect", 1)
	producer := connect()
	defer producer.Close()
	name := prefix + "-reconnect"
	one := join(name, topic, true)
	send(producer, topic, 0, 10)
	before := read(one.messages, 10)
	Soon(func() bool { return committed(name, topic) == 10 })
	RestartBroker()
	send(producer, topic, 10, 20)
	after := read(one.messages, 10)
	one.stop()
	return Facts{"before": len(before), "after": len(after), "resumed_at": after[0].Offset}, nil
}
