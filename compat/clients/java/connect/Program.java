import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Kafka Connect standalone, as its script starts it, with a file source and a file sink: BOOTSTRAP PREFIX. */
public class Program {
    static Path home;
    static Path source;
    static Path sink;
    static String bootstrap;
    static String prefix;

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

    static String properties(String name, Map<String, String> settings) throws Exception {
        Path file = home.resolve(name + ".properties");
        Files.writeString(file, settings.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).collect(Collectors.joining("\n")));
        return file.toString();
    }

    static Process start() throws Exception {
        String converter = "org.apache.kafka.connect.storage.StringConverter";
        String worker = properties("worker", Map.of("bootstrap.servers", bootstrap, "key.converter", converter, "value.converter", converter,
            "offset.storage.file.filename", home.resolve("offsets").toString(), "offset.flush.interval.ms", "500",
            "listeners", "http://127.0.0.1:0", "plugin.discovery", "only_scan"));
        String reader = properties("source", Map.of("name", prefix + "-source", "connector.class", "FileStreamSource", "tasks.max", "1",
            "file", source.toString(), "topic", prefix + "-lines"));
        String writer = properties("sink", Map.of("name", prefix + "-sink", "connector.class", "FileStreamSink", "tasks.max", "1",
            "file", sink.toString(), "topics", prefix + "-lines", "consumer.override.auto.offset.reset", "earliest"));
        List<String> command = List.of("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", System.getProperty("java.class.path"), "org.apache.kafka.connect.cli.ConnectStandalone", worker, reader, writer);
        return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(home.resolve("connect.log").toFile()).start();
    }

    static void stop(Process connect) throws Exception {
        connect.destroy();
        connect.waitFor();
    }

    static List<String> written() throws Exception {
        return Files.exists(sink) ? Files.readAllLines(sink) : List.of();
    }

    static void waitFor(int lines, Process connect) throws Exception {
        for (long end = System.currentTimeMillis() + 90_000; written().size() < lines && System.currentTimeMillis() < end; Thread.sleep(100))
            if (!connect.isAlive()) throw new IllegalStateException("Connect ended: " + lastWords());
    }

    static String lastWords() throws Exception {
        List<String> lines = Files.readAllLines(home.resolve("connect.log"));
        return String.join(" | ", lines.subList(Math.max(0, lines.size() - 8), lines.size()));
    }

    static void append(int first, int end) throws Exception {
        StringBuilder text = new StringBuilder(Files.exists(source) ? Files.readString(source) : "");
        for (int i = first; i < end; i++) text.append("line ").append(i).append('\n');
        Files.writeString(source, text);
    }

    /** Through the file source into a topic that it creates, and through the file sink out of it. */
    static Map<String, Object> through() throws Exception {
        append(0, 20);
        Process connect = start();
        waitFor(20, connect);
        stop(connect);
        return Map.of("lines", written().size(), "in_order", written().equals(Files.readAllLines(source)));
    }

    /** Started again, both connectors go on where they were. */
    static Map<String, Object> resumed() throws Exception {
        append(20, 30);
        Process connect = start();
        waitFor(30, connect);
        stop(connect);
        List<String> records = new ArrayList<>();
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            TopicPartition partition = new TopicPartition(prefix + "-lines", 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) consumer.poll(Duration.ofMillis(200)).forEach(record -> records.add(record.value()));
        }
        return Map.of("lines", written().size(), "records", records.size(), "in_order", written().equals(Files.readAllLines(source)));
    }

    static Map<String, Object> committed() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            var offsets = admin.listConsumerGroupOffsets("connect-" + prefix + "-sink").partitionsToOffsetAndMetadata().get();
            return Map.of("offset", offsets.get(new TopicPartition(prefix + "-lines", 0)).offset());
        }
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        prefix = arguments[1];
        home = Files.createTempDirectory(Path.of("."), "connect").toAbsolutePath();
        source = home.resolve("source.txt");
        sink = home.resolve("sink.txt");
        feature("connect_file", Program::through);
        feature("connect_resume", Program::resumed);
        feature("connect_committed", Program::committed);
    }
}
