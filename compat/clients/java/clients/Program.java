import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeTopicsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The ordinary use of Java's clients: [OPTION...] BOOTSTRAP PREFIX. With the option "kip848" groups are next-generation ones too. */
public class Program {
    static List<String> options;
    static String bootstrap;
    static String prefix;
    static Admin admin;
    static KafkaProducer<byte[], byte[]> producer;

    // Facts: one line of JSON for each feature. An error is a fact as well.

    static void feature(String name, Callable<Map<String, Object>> run) {
        StringBuilder line = new StringBuilder("{\"feature\":\"" + name + "\"");
        try {
            run.call().forEach((key, value) -> line.append(",\"" + key + "\":" + json(value)));
            line.append(",\"ok\":true}");
        } catch (Throwable error) {
            line.append(",\"ok\":false,\"error\":" + json(error.toString()) + "}");
        }
        System.out.println(line);
    }

    static String json(Object value) {
        return value instanceof String ? '"' + ((String) value).replace("\\", "").replace("\"", "'").replace("\n", " ") + '"' : String.valueOf(value);
    }

    static Map<String, Object> facts(Object... pairs) {
        Map<String, Object> facts = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) facts.put((String) pairs[i], pairs[i + 1]);
        return facts;
    }

    static int codeOf(Callable<?> call) throws Exception {
        try {
            call.call();
            return 0;
        } catch (ExecutionException error) {
            return Errors.forException(error.getCause()).code();
        }
    }

    /** Asks until it is so; a broker may answer before all of it knows. */
    static boolean soon(Callable<Boolean> so) throws Exception {
        for (long end = System.currentTimeMillis() + 60_000; System.currentTimeMillis() < end; Thread.sleep(50)) {
            try {
                if (so.call()) return true;
            } catch (ExecutionException error) {
                if (!(error.getCause() instanceof org.apache.kafka.common.errors.UnknownTopicOrPartitionException)) throw error;
            }
        }
        return false;
    }

    static String key(int i) { return "key-" + i; }
    static String value(int i) { return String.format("value-%d-%0200d", i, i); }
    static String header(int i) { return "header-" + i; }

    static Properties settings(String... pairs) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        for (int i = 0; i < pairs.length; i += 2) settings.put(pairs[i], pairs[i + 1]);
        return settings;
    }

    /** What KafkaFuture `all()` was until 3.0 is `allTopicNames()` since 3.1. */
    @SuppressWarnings("unchecked")
    static TopicDescription describe(String topic) throws Exception {
        DescribeTopicsResult asked = admin.describeTopics(Collections.singleton(topic));
        boolean newer = List.of(DescribeTopicsResult.class.getMethods()).stream().anyMatch(method -> method.getName().equals("allTopicNames"));
        Object answer = DescribeTopicsResult.class.getMethod(newer ? "allTopicNames" : "all").invoke(asked);
        return ((KafkaFuture<Map<String, TopicDescription>>) answer).get().get(topic);
    }

    static int partitions(String topic) throws Exception {
        return describe(topic).partitions().size();
    }

    static String create(String name, int count) throws Exception {
        String topic = prefix + "-" + name;
        admin.createTopics(Collections.singleton(new NewTopic(topic, count, (short) 1))).all().get();
        soon(() -> partitions(topic) == count);
        return topic;
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int i) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, key(i).getBytes(), value(i).getBytes());
        record.headers().add("h", header(i).getBytes());
        return record;
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, int first, int end) throws Exception {
        List<java.util.concurrent.Future<?>> sent = new ArrayList<>();
        for (int i = first; i < end; i++) sent.add(producer.send(record(topic, i)));
        producer.flush();
        for (java.util.concurrent.Future<?> one : sent) one.get();
    }

    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (long end = System.currentTimeMillis() + 60_000; records.size() < count && System.currentTimeMillis() < end; )
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        return records;
    }

    static List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int count, String... pairs) {
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings(pairs))) {
            consumer.assign(Collections.singleton(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            return read(consumer, count);
        }
    }

    static String config(String topic, String key) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource).get(key).value();
    }

    static void topics() {
        String topic = prefix + "-topic";
        NewTopic again = new NewTopic(topic, 3, (short) 1);
        NewTopic invalid = new NewTopic(prefix + " not a name", 3, (short) 1);
        feature("create_topic", () -> facts("partitions", partitions(create("topic", 3))));
        feature("create_existing", () -> facts("code", codeOf(() -> admin.createTopics(Collections.singleton(again)).all().get())));
        feature("create_invalid", () -> facts("code", codeOf(() -> admin.createTopics(Collections.singleton(invalid)).all().get())));
        feature("create_partitions", () -> {
            admin.createPartitions(Collections.singletonMap(topic, NewPartitions.increaseTo(5))).all().get();
            soon(() -> partitions(topic) == 5);
            return facts("partitions", partitions(topic));
        });
        feature("describe_cluster", () -> facts("brokers", admin.describeCluster().nodes().get().size()));
        feature("configs", () -> {
            String before = config(topic, "retention.ms");
            AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "60000"), AlterConfigOp.OpType.SET);
            Map<ConfigResource, Collection<AlterConfigOp>> changes = new HashMap<>();
            changes.put(new ConfigResource(ConfigResource.Type.TOPIC, topic), Collections.singleton(set));
            admin.incrementalAlterConfigs(changes).all().get();
            soon(() -> config(topic, "retention.ms").equals("60000"));
            return facts("before", before, "after", config(topic, "retention.ms"), "cleanup_policy", config(topic, "cleanup.policy"));
        });
        feature("unknown_topic", () -> facts("code", codeOf(() -> describe(prefix + "-never"))));
    }

    static void codec(String name) {
        feature("produce_" + name, () -> {
            String topic = create(name, 1);
            try (KafkaProducer<byte[], byte[]> sender = new KafkaProducer<>(settings("compression.type", name, "linger.ms", "20"))) {
                send(sender, topic, 0, 20);
            }
            int keys = 0, values = 0, headers = 0, i = 0;
            for (ConsumerRecord<byte[], byte[]> got : readAll(topic, 20)) {
                if (new String(got.key()).equals(key(i))) keys++;
                if (new String(got.value()).equals(value(i))) values++;
                if (new String(got.headers().lastHeader("h").value()).equals(header(i++))) headers++;
            }
            return facts("keys", keys, "values", values, "headers", headers);
        });
    }

    static void large() throws Exception {
        String topic = create("large", 1);
        feature("large_message", () -> {
            producer.send(new ProducerRecord<>(topic, new byte[900_000])).get();
            return facts("bytes", readAll(topic, 1).get(0).value().length);
        });
        feature("too_large", () -> {
            try (KafkaProducer<byte[], byte[]> sender = new KafkaProducer<>(settings("max.request.size", "5000000"))) {
                return facts("code", codeOf(() -> sender.send(new ProducerRecord<>(topic, new byte[2_000_000])).get()));
            }
        });
    }

    static KafkaConsumer<byte[], byte[]> join(String group, String topic, String... more) {
        List<String> pairs = new ArrayList<>(List.of("group.id", group));
        pairs.addAll(List.of(more));
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings(pairs.toArray(new String[0])));
        consumer.subscribe(Collections.singleton(topic));
        return consumer;
    }

    static ConsumerGroupDescription described(String group) throws Exception {
        return admin.describeConsumerGroups(Collections.singleton(group)).all().get().get(group);
    }

    static boolean listed(String group) throws Exception {
        return admin.listConsumerGroups().all().get().stream().anyMatch(listing -> listing.groupId().equals(group));
    }

    static long committed(String group, String topic) throws Exception {
        OffsetAndMetadata offset = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, 0));
        return offset == null ? -1 : offset.offset();
    }

    /** Two members share four partitions; each polls in turn. */
    static Map<String, Object> share() throws Exception {
        String topic = create("shared", 4), group = prefix + "-shared";
        try (KafkaConsumer<byte[], byte[]> one = join(group, topic, "heartbeat.interval.ms", "500")) {
            soon(() -> owned(one).size() == 4);
            int alone = one.assignment().size();
            try (KafkaConsumer<byte[], byte[]> other = join(group, topic)) {
                soon(() -> owned(one).size() == 2 & owned(other).size() == 2);
                return facts("alone", alone, "each", List.of(one.assignment().size(), other.assignment().size()));
            }
        }
    }

    static Collection<TopicPartition> owned(KafkaConsumer<byte[], byte[]> consumer) {
        consumer.poll(Duration.ofMillis(100));
        return consumer.assignment();
    }

    static Map<String, Object> reconnect() throws Exception {
        String topic = create("reconnect", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = join(prefix + "-reconnect", topic)) {
            send(producer, topic, 0, 10);
            int before = read(consumer, 10).size();
            consumer.commitSync();
            restartBroker();
            send(producer, topic, 10, 20);
            List<ConsumerRecord<byte[], byte[]>> after = read(consumer, 10);
            return facts("before", before, "after", after.size(), "resumed_at", after.get(0).offset());
        }
    }

    /** Whoever runs this program stops the broker in good order and starts it again. */
    static void restartBroker() throws Exception {
        System.out.println("{\"please\":\"restart the broker\"}");
        String answer = new BufferedReader(new InputStreamReader(System.in)).readLine();
        if (!"done".equals(answer)) throw new IllegalStateException("nobody restarted the broker: " + answer);
    }

    static Map<String, Object> acks() throws Exception {
        String topic = create("acks", 1);
        int n = 0;
        for (String wanted : List.of("0", "1", "all")) {
            try (KafkaProducer<byte[], byte[]> sender = new KafkaProducer<>(settings("acks", wanted, "enable.idempotence", "false"))) {
                send(sender, topic, n, n += 10);
            }
        }
        return facts("records", readAll(topic, 30).size());
    }

    static Map<String, Object> seek() throws Exception {
        String topic = create("times", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        send(producer, topic, 0, 10);
        Thread.sleep(50);
        long now = System.currentTimeMillis();
        send(producer, topic, 10, 20);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings())) {
            consumer.assign(Collections.singleton(partition));
            read(consumer, 1);
            consumer.seek(partition, consumer.offsetsForTimes(Collections.singletonMap(partition, now)).get(partition).offset());
            return facts("first_read", read(consumer, 1).get(0).offset());
        }
    }

    static Map<String, Object> pause() throws Exception {
        String topic = create("paused", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings())) {
            consumer.assign(Collections.singleton(new TopicPartition(topic, 0)));
            consumer.pause(consumer.assignment());
            send(producer, topic, 0, 20);
            int paused = consumer.poll(Duration.ofSeconds(1)).count();
            consumer.resume(consumer.assignment());
            return facts("while_paused", paused, "after", read(consumer, 20).size());
        }
    }

    static void groups() throws Exception {
        String topic = create("group", 1), group = prefix + "-group";
        feature("group_resume", () -> {
            send(producer, topic, 0, 20);
            int first;
            try (KafkaConsumer<byte[], byte[]> consumer = join(group, topic, "max.poll.records", "10")) {
                first = read(consumer, 10).size();
                consumer.commitSync();
            }
            try (KafkaConsumer<byte[], byte[]> consumer = join(group, topic)) {
                List<ConsumerRecord<byte[], byte[]>> rest = read(consumer, 10);
                return facts("first", first, "resumed_at", rest.get(0).offset(), "rest", rest.size());
            }
        });
        feature("describe_group", () -> {
            try (KafkaConsumer<byte[], byte[]> consumer = join(group, topic)) {
                soon(() -> { consumer.poll(Duration.ofMillis(100)); return !consumer.assignment().isEmpty(); });
                return facts("state", described(group).state().toString(), "members", described(group).members().size());
            }
        });
        feature("list_groups", () -> facts("listed", listed(group)));
        feature("committed_offset", () -> facts("offset", committed(group, topic)));
        feature("move_group", () -> {
            admin.alterConsumerGroupOffsets(group, Collections.singletonMap(new TopicPartition(topic, 0), new OffsetAndMetadata(5))).all().get();
            return facts("offset", committed(group, topic));
        });
        feature("shared_group", Program::share);
        feature("delete_group", () -> {
            soon(() -> described(group).members().isEmpty());
            admin.deleteConsumerGroups(Collections.singleton(group)).all().get();
            return facts("listed", listed(group));
        });
        if (options.contains("kip848")) feature("consumer_protocol", () -> {
            try (KafkaConsumer<byte[], byte[]> consumer = join(prefix + "-consumer", topic, "group.protocol", "consumer")) {
                return facts("records", read(consumer, 20).size());
            }
        });
    }

    static KafkaProducer<byte[], byte[]> begin(String id) {
        KafkaProducer<byte[], byte[]> sender = new KafkaProducer<>(settings("transactional.id", prefix + "-" + id));
        sender.initTransactions();
        sender.beginTransaction();
        return sender;
    }

    static void transactions() throws Exception {
        String topic = create("transactions", 1);
        feature("idempotent", () -> {
            String counted = create("idempotent", 1);
            try (KafkaProducer<byte[], byte[]> sender = new KafkaProducer<>(settings("enable.idempotence", "true", "acks", "all"))) {
                for (int n = 0; n < 5; n++) send(sender, counted, n * 20, n * 20 + 20);
            }
            return facts("records", readAll(counted, 100).size());
        });
        feature("transactions", () -> {
            try (KafkaProducer<byte[], byte[]> sender = begin("transactional")) {
                send(sender, topic, 0, 10);
                sender.commitTransaction();
                sender.beginTransaction();
                send(sender, topic, 10, 20);
                sender.abortTransaction();
                sender.beginTransaction();
                send(sender, topic, 20, 30);
                sender.commitTransaction();
            }
            List<ConsumerRecord<byte[], byte[]>> committed = readAll(topic, 20, "isolation.level", "read_committed");
            int uncommitted = readAll(topic, 30).size();
            return facts("committed", committed.size(), "uncommitted", uncommitted, "after_the_aborted", new String(committed.get(10).key()));
        });
        feature("transaction_offsets", () -> {
            String sink = create("sink", 1), group = prefix + "-transform";
            try (KafkaConsumer<byte[], byte[]> consumer = join(group, topic, "isolation.level", "read_committed", "max.poll.records", "10");
                 KafkaProducer<byte[], byte[]> sender = begin("transform")) {
                int count = read(consumer, 10).size();
                send(sender, sink, 0, count);
                OffsetAndMetadata offset = new OffsetAndMetadata(consumer.position(new TopicPartition(topic, 0)));
                sender.sendOffsetsToTransaction(Collections.singletonMap(new TopicPartition(topic, 0), offset), consumer.groupMetadata());
                sender.commitTransaction();
            }
            soon(() -> committed(group, topic) == 10);
            return facts("offset", committed(group, topic), "records", readAll(sink, 10, "isolation.level", "read_committed").size());
        });
        feature("fenced", () -> {
            try (KafkaProducer<byte[], byte[]> older = begin("fenced")) {
                send(older, topic, 0, 1);
                try (KafkaProducer<byte[], byte[]> newer = begin("fenced")) {
                    send(newer, topic, 1, 2);
                    newer.commitTransaction();
                }
                int code = codeOf(() -> older.send(record(topic, 2)).get());
                return facts("fenced", code == Errors.INVALID_PRODUCER_EPOCH.code() || code == Errors.PRODUCER_FENCED.code());
            }
        });
    }

    static long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Collections.singletonMap(partition, spec)).all().get().get(partition).offset();
    }

    static void offsets() throws Exception {
        String topic = create("offsets", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        feature("list_offsets", () -> {
            send(producer, topic, 0, 20);
            return facts("earliest", offset(partition, OffsetSpec.earliest()), "latest", offset(partition, OffsetSpec.latest()));
        });
        feature("offsets_for_times", () -> {
            long first = readAll(topic, 20).get(0).timestamp(), later = System.currentTimeMillis() + 3_600_000;
            return facts("at_first", offset(partition, OffsetSpec.forTimestamp(first)), "later", offset(partition, OffsetSpec.forTimestamp(later)));
        });
        feature("delete_records", () -> {
            admin.deleteRecords(Collections.singletonMap(partition, RecordsToDelete.beforeOffset(5))).all().get();
            return facts("earliest", offset(partition, OffsetSpec.earliest()), "first_read", readAll(topic, 1).get(0).offset());
        });
        feature("delete_topic", () -> {
            admin.deleteTopics(Collections.singleton(topic)).all().get();
            return facts("gone", soon(() -> !admin.listTopics().names().get().contains(topic)));
        });
        feature("delete_unknown", () -> facts("code", codeOf(() -> admin.deleteTopics(Collections.singleton(prefix + "-never")).all().get())));
    }

    public static void main(String[] arguments) throws Exception {
        options = List.of(arguments);
        bootstrap = arguments[arguments.length - 2];
        prefix = arguments[arguments.length - 1];
        admin = Admin.create(settings());
        producer = new KafkaProducer<>(settings());
        topics();
        for (String name : List.of("none", "gzip", "snappy", "lz4", "zstd")) codec(name);
        feature("acks", Program::acks);
        large();
        groups();
        transactions();
        offsets();
        feature("seek_to_time", Program::seek);
        feature("pause_resume", Program::pause);
        feature("reconnect", Program::reconnect);
        producer.close();
        admin.close();
    }
}
