// Loader: writes JSON records into a topic at a steady rate until it is stopped.
//
// {"id":"<run>-<partition>-<n>","k":"<key>","s":<n of this key>,"robot":bool,"delta":int,"pad":"..."}; the key of the
// record is k, so that records of one key stay in one partition, and a header `id` repeats the id. The source topic
// itself is the truth about what was written: a lost acknowledgement matters to nobody.

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeader;

final class Loader extends Thread {
  private static final int KEYS = 97;

  private final String bootstrap;
  private final String topic;
  private final String run;
  private final long perSecond;
  private final long most;
  private final String pad;
  private final Random random;
  private final int poisonEvery;
  private final int wordsEvery;  // whose delta is text
  private final int hotPercent;  // that have the first key
  private final int partitions;  // in turn; 0: by the key
  private final AtomicLong failed = new AtomicLong();
  private volatile boolean stopping;
  private long sent;

  Loader(String bootstrap, JsonNode request) {
    super("loader");
    setDaemon(true);
    this.bootstrap = bootstrap;
    topic = request.get("topic").asText();
    run = request.get("name").asText();
    perSecond = request.get("rate").asLong();
    most = request.path("most").asLong(Long.MAX_VALUE);
    pad = "x".repeat(request.path("pad").asInt(60));
    random = new Random(request.path("seed").asLong(1));
    poisonEvery = request.path("poison").asInt(0);
    wordsEvery = request.path("words").asInt(0);
    hotPercent = request.path("hot").asInt(0);
    partitions = request.path("partitions").asInt(0);
  }

  @Override
  public void run() {
    long[] counts = new long[KEYS];
    try (KafkaProducer<byte[], byte[]> producer = RecordFile.producer(bootstrap, null)) {
      long begun = System.nanoTime();
      while (!stopping && sent < most) {
        long due = Math.min(most, perSecond * (System.nanoTime() - begun) / TimeUnit.SECONDS.toNanos(1));
        for (; sent < due && !stopping; sent++) {
          producer.send(record(counts), (metadata, exception) -> {
            if (exception != null) {
              failed.incrementAndGet();
            }
          });
        }
        Thread.sleep(5);
      }
    } catch (InterruptedException end) {
      Thread.currentThread().interrupt();
    }
  }

  private ProducerRecord<byte[], byte[]> record(long[] counts) {
    int key = hotPercent > 0 && random.nextInt(100) < hotPercent ? 0 : random.nextInt(KEYS);
    boolean words = wordsEvery > 0 && random.nextInt(wordsEvery) == 0;
    String delta = words ? "\"many\"" : String.valueOf(random.nextInt(4000) - 2000);
    String id = run + "-" + key + "-" + counts[key];
    String text = "{\"id\":\"" + id + "\",\"k\":\"k" + key + "\",\"s\":" + counts[key]++ + ",\"robot\":"
        + (random.nextInt(4) == 0) + ",\"delta\":" + delta + ",\"pad\":\"" + pad + "\"}";
    if (poisonEvery > 0 && random.nextInt(poisonEvery) == 0) {
      text = text.substring(0, text.length() - 1 - random.nextInt(20));
    }
    return new ProducerRecord<>(topic, partitions > 0 ? (Integer) (int) (sent % partitions) : null, ("k" + key).getBytes(StandardCharsets.UTF_8),
        text.getBytes(StandardCharsets.UTF_8),
        List.of(new RecordHeader("id", id.getBytes(StandardCharsets.UTF_8))));
  }

  JsonNode finish() throws InterruptedException {
    stopping = true;
    join(TimeUnit.SECONDS.toMillis(70));
    return KafkaTool.JSON.createObjectNode().put("sent", sent).put("failed", failed.get()).put("ended", !isAlive());
  }
}
