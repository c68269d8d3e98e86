// Prints every configuration key of Apache Kafka, one line each, tab-separated:
// kind, name, type, default ("\0" for none), permitted values, internal, update mode; and every synonym of topic keys.
import java.lang.reflect.Field;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

public class KeyDump {
    static void print(String kind, ConfigDef definition, Map<String, String> modes) {
        for (ConfigDef.ConfigKey key : definition.configKeys().values()) {
            String text = key.hasDefault() ? ConfigDef.convertToString(key.defaultValue, key.type) : null;
            String range = key.validator == null ? "" : key.validator.toString();
            System.out.println(String.join("\t", kind, key.name, key.type.name(), text == null ? "\0" : text, range,
                String.valueOf(key.internalConfig), modes.getOrDefault(key.name, "read-only")));
        }
    }

    public static void main(String[] arguments) throws Exception {
        Field metrics = ClientMetricsConfigs.class.getDeclaredField("CONFIG");
        metrics.setAccessible(true);
        print("broker", kafka.server.KafkaConfig$.MODULE$.configDef(), DynamicBrokerConfig.dynamicConfigUpdateModes());
        print("topic", LogConfig.configDefCopy(), Map.of());
        print("group", GroupConfig.CONFIG_DEF, Map.of());
        print("client-metrics", (ConfigDef) metrics.get(null), Map.of());
        ServerTopicConfigSynonyms.TOPIC_CONFIG_SYNONYMS.forEach(
            (topic, broker) -> System.out.println(String.join("\t", "synonym", topic, broker)));
        for (String name : GroupConfig.configNames()) {
            System.out.println(String.join("\t", "group-synonym", name, GroupConfig.brokerSynonym(name).orElse("\0")));
        }
    }
}
