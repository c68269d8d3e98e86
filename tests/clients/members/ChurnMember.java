import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member under churn by Java's consumer: BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL; its lines are churn_lines.py's. */
public final class ChurnMember implements ConsumerRebalanceListener {
    private static final long GIVE_UP_MS = 250;

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final String topic;
    private volatile boolean leaving;
    /** What was read and not committed. */
    private final Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();

    private ChurnMember(String bootstrap, String group, String topic, String clientId, String protocol) {
        this.topic = topic;
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("client.id", clientId);
        settings.put("group.protocol", protocol);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        if (protocol.equals("classic")) {
            settings.put("session.timeout.ms", "2000");
            settings.put("heartbeat.interval.ms", "250");
            settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        }
        consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    public static void main(String[] arguments) {
        ChurnMember member =
            new ChurnMember(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
        Thread reader = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> member.leave(reader)));
        member.run();
    }

    private void leave(Thread reader) {
        leaving = true;
        consumer.wakeup();
        try {
            reader.join();
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        consumer.subscribe(List.of(topic), this);
        while (!leaving) {
            try {
                consumer.poll(Duration.ofMillis(100)).forEach(this::note);
                commit();
            } catch (WakeupException expected) {
                continue; // it leaves
            }
        }
        commit();
        say("leaving", "");
        consumer.close();
    }

    private void note(ConsumerRecord<byte[], byte[]> record) {
        say("record", String.format(", \"partition\": %d, \"offset\": %d", record.partition(), record.offset()));
        read.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
    }

    private void commit() {
        if (read.isEmpty()) return;
        try {
            consumer.commitSync(read);
            sayOffsets("committed", read);
            read.clear();
        } catch (WakeupException end) {
            throw end;
        } catch (KafkaException refused) {
            sayOffsets("refused", read);
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        sayPartitions("assigned", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        try {
            Thread.sleep(GIVE_UP_MS);
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
        commit();
        partitions.forEach(read::remove);
        sayPartitions("revoked", partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        partitions.forEach(read::remove);
        sayPartitions("lost", partitions);
    }

    private static void sayPartitions(String event, Collection<TopicPartition> partitions) {
        say(event, ", \"partitions\": " + partitions.stream().map(TopicPartition::partition).toList());
    }

    private static void sayOffsets(String event, Map<TopicPartition, OffsetAndMetadata> offsets) {
        String listed = offsets.entrySet().stream()
            .map(each -> String.format("\"%d\": %d", each.getKey().partition(), each.getValue().offset()))
            .collect(Collectors.joining(", "));
        say(event, ", \"offsets\": {" + listed + "}");
    }

    private static void say(String event, String facts) {
        Instant now = Instant.now();
        System.out.printf("{\"at\": %d.%06d, \"event\": \"%s\"%s}%n",
            now.getEpochSecond(), now.getNano() / 1000, event, facts);
    }
}
