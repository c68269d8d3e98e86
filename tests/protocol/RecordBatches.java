import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.TimestampType;

/**
 * Prints the records of each `*.ours` file in a folder as Kafka reads them, and writes them again with Kafka's own
 * builder, once a codec, to `NAME.CODEC.theirs`. Also writes control batches.
 */
public final class RecordBatches {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        for (File file : folder.toFile().listFiles((where, name) -> name.endsWith(".ours"))) {
            String name = file.getName().replace(".ours", "");
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(file.toPath())));
            for (MutableRecordBatch batch : records.batches()) {
                batch.ensureValid();
                for (Record record : batch) System.out.println(name + " " + text(record));
                for (CompressionType type : CompressionType.values()) {
                    write(folder.resolve(name + "." + type.name + ".theirs"), build(batch, Compression.of(type).build()));
                }
            }
        }
        EndTransactionMarker marker = new EndTransactionMarker(ControlRecordType.COMMIT, 3);
        write(folder.resolve("commit.control"), MemoryRecords.withEndTransactionMarker(7, 5L, 4, 9L, (short) 1, marker));
        LeaderChangeMessage.Voter voter = new LeaderChangeMessage.Voter().setVoterId(1);
        LeaderChangeMessage change = new LeaderChangeMessage().setLeaderId(1)
            .setVoters(List.of(voter)).setGrantingVoters(List.of(voter.duplicate()));
        write(folder.resolve("leader.control"),
            MemoryRecords.withLeaderChangeMessage(0, 5L, 4, ByteBuffer.allocate(512), change));
    }

    private static MemoryRecords build(RecordBatch batch, Compression compression) {
        boolean appendTime = batch.timestampType() == TimestampType.LOG_APPEND_TIME;
        MemoryRecordsBuilder builder = MemoryRecords.builder(
            ByteBuffer.allocate(1 << 20), RecordBatch.CURRENT_MAGIC_VALUE, compression, batch.timestampType(),
            batch.baseOffset(), appendTime ? batch.maxTimestamp() : RecordBatch.NO_TIMESTAMP, batch.producerId(),
            batch.producerEpoch(), batch.baseSequence(), batch.isTransactional(), batch.isControlBatch(),
            batch.partitionLeaderEpoch());
        for (Record record : batch) builder.appendWithOffset(record.offset(), record);
        return builder.build();
    }

    private static void write(Path path, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(path, bytes);
    }

    private static String text(Record record) {
        List<String> words = new ArrayList<>();
        words.add(Long.toString(record.offset()));
        words.add(Long.toString(record.timestamp()));
        words.add(hex(record.key()));
        words.add(hex(record.value()));
        for (Header header : record.headers()) {
            words.add(HexFormat.of().formatHex(header.key().getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            words.add(header.value() == null ? "null" : "=" + HexFormat.of().formatHex(header.value()));
        }
        return String.join(" ", words);
    }

    private static String hex(ByteBuffer buffer) {
        if (buffer == null) return "null";
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return "=" + HexFormat.of().formatHex(bytes);
    }
}
