import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Kafka's own tools one after the other in one JVM, because each start of a JVM costs a
 * second or two. A request is a count, that many length-prefixed strings (class, arguments) and the length-prefixed
 * standard input; the answer is the exit status and what went to standard output and to standard error.
 */
public final class ToolRunner {
    /** Thrown where a tool ends the process. Some tools catch it and end once more: the first end is the true one. */
    private static final class Ended extends Error {
        Ended() {
            super(null, null, false, false);
        }
    }

    private static Integer exitStatus;
    private static ByteArrayOutputStream out;
    private static ByteArrayOutputStream err;
    private static byte[] outAtExit;
    private static byte[] errAtExit;

    private static void end(int status) {
        if (exitStatus == null) {
            System.out.flush();
            System.err.flush();
            exitStatus = status;
            outAtExit = out.toByteArray();
            errAtExit = err.toByteArray();
        }
    }

    public static void main(String[] ignored) throws Exception {
        InputStream realIn = new FileInputStream(FileDescriptor.in);
        DataInputStream requests = new DataInputStream(realIn);
        DataOutputStream answers = new DataOutputStream(new FileOutputStream(FileDescriptor.out));
        PrintStream realErr = System.err;
        System.setOut(realErr); // before the logging looks at it: its lines must not end up among the answers
        Exit.setExitProcedure((status, message) -> { end(status); throw new Ended(); });
        Exit.setHaltProcedure((status, message) -> { end(status); throw new Ended(); });
        while (true) {
            String[] command;
            byte[] input;
            try {
                command = new String[requests.readInt()];
                for (int i = 0; i < command.length; i++) command[i] = new String(readBytes(requests), "UTF-8");
                input = readBytes(requests);
            } catch (EOFException end) {
                return;
            }
            out = new ByteArrayOutputStream();
            err = new ByteArrayOutputStream();
            exitStatus = null;
            System.setIn(new ByteArrayInputStream(input));
            System.setOut(new PrintStream(out, true, "UTF-8"));
            System.setErr(new PrintStream(err, true, "UTF-8"));
            run(command);
            System.setOut(realErr);
            System.setErr(realErr);
            answers.writeInt(exitStatus);
            writeBytes(answers, outAtExit);
            writeBytes(answers, errAtExit);
            answers.flush();
        }
    }

    private static void run(String[] command) {
        try {
            String[] arguments = Arrays.copyOfRange(command, 1, command.length);
            Class.forName(command[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
            end(0);
        } catch (InvocationTargetException wrapped) {
            if (!(wrapped.getCause() instanceof Ended)) wrapped.getCause().printStackTrace();
            end(1);
        } catch (ReflectiveOperationException problem) {
            problem.printStackTrace();
            end(1);
        }
    }

    private static byte[] readBytes(DataInputStream from) throws Exception {
        byte[] bytes = new byte[from.readInt()];
        from.readFully(bytes);
        return bytes;
    }

    private static void writeBytes(DataOutputStream to, byte[] bytes) throws Exception {
        to.writeInt(bytes.length);
        to.write(bytes);
    }
}
