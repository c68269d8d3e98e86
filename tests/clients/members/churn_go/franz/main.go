// A member under churn by franz-go: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; see churn_lines.py.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"ottla.test/churn/lines"
)

const pollTimeout = 100 * time.Millisecond

func settings(bootstrap, group, topic, clientID, protocol string) []kgo.Opt {
	common := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.ClientID(clientID),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(told("assigned", topic)),
		kgo.OnPartitionsRevoked(told("revoked", topic)),
		kgo.OnPartitionsLost(told("lost", topic)),
	}
	if protocol == "consumer" {
		return append(common, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return append(common, kgo.SessionTimeout(2*time.Second), kgo.HeartbeatInterval(250*time.Millisecond))
}

func told(event, topic string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		lines.SayPartitions(event, partitions[topic])
	}
}

// Rebalances wait until what was polled is committed, so that a revocation finds nothing left to commit.
func readOnce(client *kgo.Client) {
	defer client.AllowRebalance()
	ctx, cancel := context.WithTimeout(context.Background(), pollTimeout)
	defer cancel()
	fetches := client.PollFetches(ctx)
	offsets := map[int32]int64{}
	fetches.EachRecord(func(record *kgo.Record) {
		lines.SayRecord(record.Partition, record.Offset)
		offsets[record.Partition] = record.Offset + 1
	})
	if len(offsets) == 0 {
		return
	}
	event := "committed"
	if client.CommitRecords(context.Background(), fetches.Records()...) != nil {
		event = "refused"
	}
	lines.Say(event, lines.Facts{"offsets": offsets})
}

func main() {
	leaving := make(chan os.Signal, 1)
	signal.Notify(leaving, syscall.SIGTERM)
	client, err := kgo.NewClient(settings(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5])...)
	if err != nil {
		panic(err)
	}
	for len(leaving) == 0 {
		readOnce(client)
	}
	lines.Say("leaving", nil)
	client.CloseAllowingRebalance()
}
