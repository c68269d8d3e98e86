// A member under churn by Sarama: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; see churn_lines.py.
//
// Sarama runs sessions: each begins with an assignment and ends with a rebalance, or with the loss of the membership.
// It does not say which, so that the end is always "revoked".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"ottla.test/churn/lines"
)

const (
	commitEvery = 100 * time.Millisecond
	retryAfter  = 100 * time.Millisecond
)

type member struct{ topic string }

func (m member) Setup(session sarama.ConsumerGroupSession) error {
	lines.SayPartitions("assigned", session.Claims()[m.topic])
	return nil
}

func (m member) Cleanup(session sarama.ConsumerGroupSession) error {
	time.Sleep(lines.GiveUp)
	session.Commit()
	lines.SayPartitions("revoked", session.Claims()[m.topic])
	return nil
}

func (m member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	due := time.NewTicker(commitEvery)
	defer due.Stop()
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			lines.SayRecord(message.Partition, message.Offset)
			session.MarkMessage(message, "")
		case <-due.C:
			session.Commit()
		case <-session.Context().Done():
			return nil
		}
	}
}

func settings(clientID string) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	config.ClientID = clientID
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 2 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 250 * time.Millisecond
	return config
}

func main() {
	bootstrap, group, topic, clientID, protocol := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	if protocol != "classic" {
		panic("Sarama has the classic protocol alone")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client, err := sarama.NewConsumerGroup([]string{bootstrap}, group, settings(clientID))
	if err != nil {
		panic(err)
	}
	for ctx.Err() == nil {
		if err := client.Consume(ctx, []string{topic}, member{topic}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(retryAfter)
		}
	}
	lines.Say("leaving", nil)
	if err := client.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
