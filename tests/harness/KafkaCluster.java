import java.io.FileInputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.utils.Time;

/** Several nodes of Apache Kafka in one JVM. Each argument is a server.properties; the end of standard input stops them. */
public class KafkaCluster {
    public static void main(String[] files) throws Exception {
        List<KafkaRaftServer> servers = new ArrayList<>();
        for (String file : files) {
            Properties properties = new Properties();
            try (FileInputStream in = new FileInputStream(file)) {
                properties.load(in);
            }
            servers.add(new KafkaRaftServer(KafkaConfig.fromProps(properties), Time.SYSTEM));
        }
        List<Thread> threads = new ArrayList<>();
        for (KafkaRaftServer server : servers) {
            Thread thread = new Thread(server::startup);
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        System.out.println("all nodes have started");
        while (System.in.read() >= 0) {
        }
        for (int i = servers.size() - 1; i >= 0; i--) {
            servers.get(i).shutdown();
        }
        System.exit(0);
    }
}
