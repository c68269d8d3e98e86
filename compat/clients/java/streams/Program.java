import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.StoreQueryParameters;

/** The ordinary use of Kafka Streams: BOOTSTRAP PREFIX. */
public class Program {
    static final String TEXT = "the quick fox and the lazy dog and the end";
    static String bootstrap;
    static String prefix;
    static Admin admin;

    static void feature(String name, Callable<Map<String, Object>> run) {
        StringBuilder line = new StringBuilder("{\"feature\":\"" + name + "\"");
        try {
            run.call().forEach((key, value) -> line.append(",\"" + key + "\":" + value));
            line.append(",\"ok\":true}");
        } catch (Throwable error) {
            line.append(",\"ok\":false,\"error\":\"" + error.toString().replace('"', '\'').replace("\n", " ") + "\"}");
        }
        System.out.println(line);
    }

    static String create(String name) throws Exception {
        String topic = prefix + "-" + name;
        admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
        return topic;
    }

    static void send(String topic, Map<String, String> records) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            records.forEach((key, value) -> producer.send(new ProducerRecord<>(topic, key, value)));
        }
    }

    /** The last value of each key, once there are as many records as are waited for. */
    static Map<String, String> read(String topic, int count) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest", "isolation.level", "read_committed");
        Map<String, String> last = new TreeMap<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)));
            consumer.seekToBeginning(consumer.assignment());
            int seen = 0;
            for (long end = System.currentTimeMillis() + 40_000; seen < count && System.currentTimeMillis() < end; ) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    last.put(record.key(), record.value());
                    seen++;
                }
            }
        }
        return last;
    }

    static KafkaStreams start(StreamsBuilder builder, String name, String... pairs) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("application.id", prefix + "-" + name);
        settings.put("state.dir", Files.createTempDirectory("streams").toString());
        settings.put("default.key.serde", Serdes.StringSerde.class.getName());
        settings.put("default.value.serde", Serdes.StringSerde.class.getName());
        settings.put("commit.interval.ms", "100");
        settings.put("statestore.cache.max.bytes", "0");
        settings.put("replication.factor", "1");
        settings.put("auto.offset.reset", "earliest");
        for (int i = 0; i < pairs.length; i += 2) settings.put(pairs[i], pairs[i + 1]);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.start();
        return streams;
    }

    static StreamsBuilder wordCount(String source, String sink) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(source)
            .flatMapValues(text -> List.of(text.split(" ")))
            .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts")).withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(sink, Produced.with(Serdes.String(), Serdes.String()));
        return builder;
    }

    /** Counts words over a repartition topic and a changelog topic. */
    static Map<String, Object> count(String name, String... pairs) throws Exception {
        String source = create(name + "-text"), sink = create(name + "-counts");
        send(source, Map.of("one", TEXT));
        long queried;
        Map<String, String> counts;
        try (KafkaStreams streams = start(wordCount(source, sink), name, pairs)) {
            counts = read(sink, TEXT.split(" ").length);
            queried = streams.store(StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.<String, Long>keyValueStore())).get("the");
        }
        List<String> internal = new ArrayList<>(admin.listTopics().names().get());
        internal.removeIf(topic -> !topic.startsWith(prefix + "-" + name) || !topic.matches(".*(-changelog|-repartition)"));
        return new TreeMap<>(Map.of("the", Integer.parseInt(counts.get("the")), "words", counts.size(), "queried", queried, "internal_topics", internal.size()));
    }

    static Map<String, Object> join() throws Exception {
        String left = create("left"), right = create("right"), sink = create("joined");
        StreamsBuilder builder = new StreamsBuilder();
        var serdes = StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String())
            .withThisStoreSupplier(Stores.inMemoryWindowStore("this", Duration.ofSeconds(20), Duration.ofSeconds(20), true))
            .withOtherStoreSupplier(Stores.inMemoryWindowStore("other", Duration.ofSeconds(20), Duration.ofSeconds(20), true));
        builder.stream(left, Consumed.with(Serdes.String(), Serdes.String()))
            .join(builder.stream(right, Consumed.with(Serdes.String(), Serdes.String())), (a, b) -> a + "+" + b,
                JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofSeconds(10)), serdes)
            .to(sink);
        send(left, Map.of("k1", "a", "k2", "b", "k3", "c"));
        send(right, Map.of("k1", "x", "k2", "y", "k4", "z"));
        try (KafkaStreams streams = start(builder, "join")) {
            Map<String, String> joined = read(sink, 2);
            return Map.of("pairs", joined.size(), "right", "a+x".equals(joined.get("k1")) && "b+y".equals(joined.get("k2")));
        }
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        prefix = arguments[1];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        feature("streams_count", () -> count("atleastonce"));
        feature("streams_exactly_once", () -> count("exactlyonce", "processing.guarantee", "exactly_once_v2"));
        feature("streams_join", Program::join);
        admin.close();
        System.exit(0);
    }
}
