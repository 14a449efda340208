// Observer: a read_committed reader that looks on while things happen, so that what it saw can be compared with what
// stands there in the end. A record that is seen and then gone, or that comes twice, is a fault that no later reading shows.

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.FileOutputStream;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

final class Observer extends Thread {
  private final String bootstrap;
  private final List<String> topics;
  private final String file;
  private volatile boolean stopping;
  private volatile long readUntilMs;  // when stopping: what is readable by then is read
  private volatile String problem;
  private volatile long count;
  private volatile boolean behind = true;

  Observer(String bootstrap, JsonNode request) {
    super("observer");
    setDaemon(true);
    this.bootstrap = bootstrap;
    topics = KafkaTool.strings(request.get("topics"));
    file = request.get("file").asText();
  }

  @Override
  public void run() {
    try (KafkaConsumer<byte[], byte[]> consumer = RecordFile.consumer(bootstrap, true);
         DataOutputStream out = new DataOutputStream(new BufferedOutputStream(new FileOutputStream(file), 1 << 20))) {
      List<TopicPartition> all = RecordFile.partitions(consumer, topics);
      consumer.assign(all);
      consumer.seekToBeginning(all);
      while (!stopping || System.currentTimeMillis() < readUntilMs && (behind = behind(consumer, all))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          RecordFile.write(out, topics.indexOf(record.topic()), record);
          count++;
        }
      }
    } catch (Exception failure) {
      problem = failure.toString();
    }
  }

  // The end that a read_committed reader is told is the last stable offset.
  private static boolean behind(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> all) {
    return consumer.endOffsets(all).entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue());
  }

  JsonNode finish(int seconds) throws InterruptedException {
    readUntilMs = System.currentTimeMillis() + TimeUnit.SECONDS.toMillis(seconds);
    stopping = true;
    join(TimeUnit.SECONDS.toMillis(20 + seconds));
    return KafkaTool.JSON.createObjectNode().put("records", count).put("problem", problem).put("ended", !isAlive())
        .put("behind", behind);
  }
}
