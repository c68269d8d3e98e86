import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.kafka.common.utils.Exit;

/** Kafka's command-line tools, unchanged, by the main methods that their scripts call: BOOTSTRAP PREFIX. */
public class Program {
    static final PrintStream OUT = System.out;
    static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    static final String CONFIGS = "kafka.admin.ConfigCommand";
    static final String PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
    static final String CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    static final String OFFSETS = "org.apache.kafka.tools.GetOffsetShell";
    static final String DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand";
    static final String PRODUCER_PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance";
    static final String CONSUMER_PERFORMANCE = "org.apache.kafka.tools.ConsumerPerformance";
    static final String VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand";
    static final String TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand";
    static final String CLUSTER = "org.apache.kafka.tools.ClusterTool";
    static String bootstrap;
    static String prefix;

    static Integer firstStatus;

    static class Ended extends RuntimeException { }

    /** A tool that calls exit(0) catches our exception as any other, and calls exit(1): the first status is the tool's. */
    static void end(int status) {
        if (firstStatus == null) firstStatus = status;
        throw new Ended();
    }

    static void feature(String name, Callable<Map<String, Object>> run) {
        StringBuilder line = new StringBuilder("{\"feature\":\"" + name + "\"");
        try {
            run.call().forEach((key, value) -> line.append(",\"" + key + "\":" + value));
            line.append(",\"ok\":true}");
        } catch (Throwable error) {
            line.append(",\"ok\":false,\"error\":\"" + error.toString().replace('"', '\'').replace('\n', ' ').replace('\t', ' ') + "\"}");
        }
        OUT.println(line);
    }

    static Map<String, Object> facts(Object... pairs) {
        Map<String, Object> facts = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) facts.put((String) pairs[i], pairs[i + 1]);
        return facts;
    }

    /** What a tool prints; an exception with it where its exit status is not 0. */
    static String run(String input, String tool, String... arguments) throws Exception {
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        PrintStream both = new PrintStream(said, true);
        System.setIn(new ByteArrayInputStream(input.getBytes()));
        System.setOut(both);
        System.setErr(both);
        firstStatus = null;
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (java.lang.reflect.InvocationTargetException error) {
            if (!(error.getCause() instanceof Ended)) throw new IllegalStateException(tool, error.getCause());
        } finally {
            System.setOut(OUT);
        }
        if (firstStatus != null && firstStatus != 0) throw new IllegalStateException(tool + " ended with " + firstStatus + ": " + said);
        return said.toString();
    }

    static String ask(String tool, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        all.addAll(Arrays.asList(arguments));
        return run("", tool, all.toArray(new String[0]));
    }

    static boolean fails(String tool, String... arguments) {
        try {
            ask(tool, arguments);
            return false;
        } catch (Exception refused) {
            return true;
        }
    }

    static int count(String text, String part) {
        return text.split(java.util.regex.Pattern.quote(part), -1).length - 1;
    }

    static boolean soon(Callable<Boolean> so) throws Exception {
        for (long end = System.currentTimeMillis() + 15_000; System.currentTimeMillis() < end; Thread.sleep(100)) if (so.call()) return true;
        return false;
    }

    static Map<String, Object> topics() throws Exception {
        String topic = prefix + "-topic";
        ask(TOPICS, "--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=5000");
        boolean twice = fails(TOPICS, "--create", "--topic", topic);
        soon(() -> ask(TOPICS, "--describe", "--topic", topic).contains("PartitionCount: 2"));
        String described = ask(TOPICS, "--describe", "--topic", topic);
        ask(TOPICS, "--alter", "--topic", topic, "--partitions", "4");
        boolean grown = soon(() -> ask(TOPICS, "--describe", "--topic", topic).contains("PartitionCount: 4"));
        ask(TOPICS, "--delete", "--topic", topic);
        boolean gone = soon(() -> !ask(TOPICS, "--list").contains(topic));
        return facts("config", described.contains("retention.ms=5000"), "leaders", count(described, "Leader: 1"), "twice_fails", twice, "grown", grown, "gone", gone);
    }

    static Map<String, Object> configs() throws Exception {
        String topic = prefix + "-configs";
        ask(TOPICS, "--create", "--topic", topic);
        String[] entity = {"--entity-type", "topics", "--entity-name", topic};
        ask(CONFIGS, with(entity, "--alter", "--add-config", "max.message.bytes=2000,cleanup.policy=compact"));
        boolean set = soon(() -> ask(CONFIGS, with(entity, "--describe")).contains("max.message.bytes=2000"));
        ask(CONFIGS, with(entity, "--alter", "--delete-config", "cleanup.policy"));
        boolean taken = soon(() -> !ask(CONFIGS, with(entity, "--describe")).contains("cleanup.policy"));
        return facts("set", set, "taken_back", taken, "invalid_fails", fails(CONFIGS, with(entity, "--alter", "--add-config", "retention.ms=never")));
    }

    static String[] with(String[] first, String... more) {
        List<String> all = new ArrayList<>(List.of(first));
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }

    static Map<String, Object> console() throws Exception {
        String topic = prefix + "-console", group = prefix + "-group";
        ask(TOPICS, "--create", "--topic", topic);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 20; i++) lines.append("k").append(i).append(":v").append(i).append('\n');
        run(lines.toString(), PRODUCER, "--bootstrap-server", bootstrap, "--topic", topic, "--reader-property", "parse.key=true", "--reader-property", "key.separator=:");
        String[] reading = {"--topic", topic, "--group", group, "--from-beginning", "--formatter-property", "print.key=true", "--timeout-ms", "20000"};
        String first = ask(CONSUMER, with(reading, "--max-messages", "10")), rest = ask(CONSUMER, with(reading, "--max-messages", "10"));
        return facts("first", count(first, "\tv"), "rest", count(rest, "\tv"), "resumed", rest.contains("k10\tv10"));
    }

    static Map<String, Object> groups() throws Exception {
        String topic = prefix + "-console", group = prefix + "-group";
        boolean listed = ask(GROUPS, "--list").contains(group);
        String lag = ask(GROUPS, "--describe", "--group", group).replaceAll(" +", " ");
        ask(GROUPS, "--reset-offsets", "--group", group, "--topic", topic, "--to-offset", "5", "--execute");
        String moved = ask(GROUPS, "--describe", "--group", group).replaceAll(" +", " ");
        ask(GROUPS, "--delete", "--group", group);
        return facts("listed", listed, "at_the_end", lag.contains(topic + " 0 20 20 0"), "moved", moved.contains(topic + " 0 5 20 15"),
            "gone", !ask(GROUPS, "--list").contains(group));
    }

    static Map<String, Object> offsets() throws Exception {
        String topic = prefix + "-console";
        boolean end = ask(OFFSETS, "--topic", topic).contains(topic + ":0:20");
        Path file = Files.createTempFile("records", ".json");
        Files.writeString(file, "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":5}],\"version\":1}");
        ask(DELETE_RECORDS, "--offset-json-file", file.toString());
        return facts("end", end, "start_moved", ask(OFFSETS, "--topic", topic, "--time", "earliest").contains(topic + ":0:5"));
    }

    static Map<String, Object> performance() throws Exception {
        String topic = prefix + "-performance";
        ask(TOPICS, "--create", "--topic", topic, "--partitions", "3");
        String sent = ask(PRODUCER_PERFORMANCE, "--topic", topic, "--num-records", "5000", "--record-size", "100", "--throughput", "-1");
        String read = ask(CONSUMER_PERFORMANCE, "--topic", topic, "--num-records", "5000", "--timeout", "20000");
        return facts("sent", sent.contains("5000 records sent"), "read", read.contains(", 5000, "));
    }

    static Map<String, Object> cluster() throws Exception {
        String versions = ask(VERSIONS), id = run("", CLUSTER, "cluster-id", "--bootstrap-server", bootstrap);
        String transactions = ask(TRANSACTIONS, "list");
        return facts("versions", versions.contains("Produce(0): 0 to 13"), "cluster_id", id.contains("Cluster ID: "), "transactions", transactions.contains("TransactionalId"));
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        prefix = arguments[1];
        Exit.setExitProcedure((status, message) -> end(status));
        Exit.setHaltProcedure((status, message) -> end(status));
        feature("tools_topics", Program::topics);
        feature("tools_configs", Program::configs);
        feature("tools_console", Program::console);
        feature("tools_groups", Program::groups);
        feature("tools_offsets", Program::offsets);
        feature("tools_performance", Program::performance);
        feature("tools_cluster", Program::cluster);
        Runtime.getRuntime().halt(0);
    }
}
