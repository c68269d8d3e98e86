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
		kgo.OnPartitionsRevoked(giveUp(topic)),
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

func giveUp(topic string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
		time.Sleep(lines.GiveUp)
		commit(client, topic)
		lines.SayPartitions("revoked", partitions[topic])
	}
}

// Rebalances wait until what was polled is written down.
func readOnce(client *kgo.Client, topic string) {
	defer client.AllowRebalance()
	ctx, cancel := context.WithTimeout(context.Background(), pollTimeout)
	defer cancel()
	client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
		lines.SayRecord(record.Partition, record.Offset)
	})
	commit(client, topic)
}

func commit(client *kgo.Client, topic string) {
	offsets := map[int32]int64{}
	for partition, next := range client.UncommittedOffsets()[topic] {
		offsets[partition] = next.Offset
	}
	if len(offsets) == 0 {
		return
	}
	event := "committed"
	if client.CommitUncommittedOffsets(context.Background()) != nil {
		event = "refused"
	}
	lines.Say(event, lines.Facts{"offsets": offsets})
}

func main() {
	bootstrap, group, topic, clientID, protocol := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	leaving := make(chan os.Signal, 1)
	signal.Notify(leaving, syscall.SIGTERM)
	client, err := kgo.NewClient(settings(bootstrap, group, topic, clientID, protocol)...)
	if err != nil {
		panic(err)
	}
	for len(leaving) == 0 {
		readOnce(client, topic)
	}
	lines.Say("leaving", nil)
	client.CloseAllowingRebalance()
}
