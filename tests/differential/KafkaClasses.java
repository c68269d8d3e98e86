import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.*;
import org.apache.kafka.coordinator.group.assignor.*;
import org.apache.kafka.coordinator.group.modern.*;

/** Kafka's own assignors and its matcher of patterns: a case a line on standard input, an answer a line on output. */
public class KafkaClasses {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        if (arguments[0].equals("patterns")) {
            String[] names = in.readLine().split(" ");
            in.lines().forEach(line -> out.println(match(line, names)));
        } else {
            in.lines().forEach(line -> out.println(assign(line)));
        }
        out.flush();
    }

    /** One digit a name, or an exclamation mark and why the pattern is none. */
    private static String match(String regex, String[] names) {
        try {
            Pattern pattern = Pattern.compile(regex);
            StringBuilder answer = new StringBuilder();
            for (String name : names) answer.append(pattern.matcher(name).matches() ? '1' : '0');
            return answer.toString();
        } catch (PatternSyntaxException e) {
            return "!" + e.getDescription();
        }
    }

    /**
     * assignor|HOMO or HET|id,id:count,...|member;instance;topic,topic;topic:p.p/topic:p|... with topics as numbers;
     * the answer has the order in which a HashSet holds the first member's topics, then what each member got.
     */
    private static String assign(String line) {
        String[] fields = line.split("\\|", -1);
        List<Uuid> topics = new ArrayList<>();
        Map<Uuid, Integer> counts = new HashMap<>();
        for (String topic : fields[2].split(",")) {
            String[] parts = topic.split(":");
            Uuid id = new Uuid(Long.parseLong(parts[0]), Long.parseLong(parts[1]));
            topics.add(id);
            counts.put(id, Integer.parseInt(parts[2]));
        }
        Map<String, MemberSubscriptionAndAssignmentImpl> members = new LinkedHashMap<>();
        Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
        for (String field : Arrays.copyOfRange(fields, 3, fields.length)) {
            String[] parts = field.split(";", -1);
            Set<Uuid> subscribed = new LinkedHashSet<>();
            for (String topic : parts[2].split(",")) if (!topic.isEmpty()) subscribed.add(topics.get(Integer.parseInt(topic)));
            Map<Uuid, Set<Integer>> had = new LinkedHashMap<>();
            for (String own : parts[3].split("/")) {
                if (own.isEmpty()) continue;
                Uuid id = topics.get(Integer.parseInt(own.split(":")[0]));
                Set<Integer> partitions = new LinkedHashSet<>();
                for (String partition : own.split(":")[1].split("\\.")) {
                    partitions.add(Integer.parseInt(partition));
                    owners.computeIfAbsent(id, __ -> new HashMap<>()).put(Integer.parseInt(partition), parts[0]);
                }
                had.put(id, partitions);
            }
            members.put(parts[0], new MemberSubscriptionAndAssignmentImpl(
                Optional.empty(),
                parts[1].isEmpty() ? Optional.empty() : Optional.of(parts[1]),
                subscribed,
                new Assignment(Collections.unmodifiableMap(had))));
        }
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
            public int numPartitions(Uuid id) { return counts.getOrDefault(id, -1); }
            public Set<String> racksForPartition(Uuid id, int partition) { return Set.of(); }
            public Set<Integer> assignablePartitions(Uuid id) { throw new UnsupportedOperationException(); }
        };
        PartitionAssignor assignor = fields[0].equals("range") ? new RangeAssignor() : new UniformAssignor();
        SubscriptionType type = fields[1].equals("HOMO") ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS;
        GroupAssignment assigned = assignor.assign(new GroupSpecImpl(members, type, owners, Optional.empty()), describer);
        StringBuilder answer = new StringBuilder();
        for (Uuid id : new HashSet<>(members.values().iterator().next().subscribedTopicIds())) {
            answer.append(topics.indexOf(id)).append(",");
        }
        for (String member : members.keySet()) {
            answer.append("|").append(member).append(";");
            MemberAssignment own = assigned.members().get(member);
            if (own == null) continue;
            own.partitions().forEach((id, partitions) -> {
                if (partitions.isEmpty()) return;
                answer.append(topics.indexOf(id)).append(":");
                for (int partition : new TreeSet<>(partitions)) answer.append(partition).append(".");
                answer.append("/");
            });
        }
        return answer.toString();
    }
}
