import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/** Runs SQL scripts on Flink in this process, one after the other, each with a catalog of its own, at parallelism 1 or -Dp=N. */
public class FlinkRun {
    public static void main(String[] scripts) throws Exception {
        int failed = 0;
        for (String script : scripts) {
            long begin = System.nanoTime();
            try {
                run(Files.readString(Path.of(script)));
                System.out.printf("%s ok %d ms%n", script, (System.nanoTime() - begin) / 1_000_000);
            } catch (Exception e) {
                failed++;
                Throwable cause = e;
                while (cause.getCause() != null) cause = cause.getCause();
                System.out.printf("%s failed: %s%n", script, cause);
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    static void run(String script) throws Exception {
        TableEnvironment env = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        env.getConfig().set("parallelism.default", System.getProperty("p", "1"));
        String plain = script.lines().filter(l -> !l.startsWith("--")).collect(Collectors.joining("\n"));
        for (String statement : plain.split(";\\s*(\n|$)")) {
            if (statement.isBlank()) continue;
            TableResult result = env.executeSql(statement);
            if (statement.stripLeading().startsWith("INSERT")) result.await();
        }
    }
}
