// RecordFile: records in a file, between the tests and KafkaTool, big-endian:
//   topic (short: index into the command's list), partition (int; -1: by key), offset (long), timestamp (long; -1: none),
//   key, value (int length, -1: null), number of headers (short), each: name (short length, UTF-8), value (as above).

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class RecordFile {
  private RecordFile() {}

  static KafkaProducer<byte[], byte[]> producer(String bootstrap, String transactionalId) {
    Properties properties = KafkaTool.clientProperties(bootstrap);
    properties.put("acks", "all");
    properties.put("linger.ms", "5");
    properties.put("batch.size", "262144");
    properties.put("max.request.size", "33554432");
    properties.put("buffer.memory", "134217728");
    properties.put("delivery.timeout.ms", "60000");
    properties.put("request.timeout.ms", "20000");
    if (transactionalId != null) {
      properties.put("transactional.id", transactionalId);
    }
    return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, boolean committed) {
    Properties properties = KafkaTool.clientProperties(bootstrap);
    properties.put("isolation.level", committed ? "read_committed" : "read_uncommitted");
    properties.put("enable.auto.commit", "false");
    properties.put("auto.offset.reset", "earliest");
    properties.put("max.poll.records", "5000");
    properties.put("fetch.max.wait.ms", "50");
    properties.put("max.partition.fetch.bytes", "4194304");
    properties.put("default.api.timeout.ms", "20000");
    return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  // {"file", "topics": [...], "transactional": id or absent, "abort": bool}: answers the number of records sent.
  static JsonNode produce(String bootstrap, JsonNode request) throws Exception {
    List<String> topics = KafkaTool.strings(request.get("topics"));
    String transactionalId = request.hasNonNull("transactional") ? request.get("transactional").asText() : null;
    AtomicReference<Exception> failure = new AtomicReference<>();
    long count = 0;
    try (KafkaProducer<byte[], byte[]> producer = producer(bootstrap, transactionalId);
         DataInputStream in = new DataInputStream(new BufferedInputStream(
             new FileInputStream(request.get("file").asText()), 1 << 20))) {
      if (transactionalId != null) {
        producer.initTransactions();
        producer.beginTransaction();
      }
      for (ProducerRecord<byte[], byte[]> record = next(in, topics); record != null; record = next(in, topics)) {
        producer.send(record, (metadata, exception) -> {
          if (exception != null) {
            failure.compareAndSet(null, exception);
          }
        });
        count++;
      }
      producer.flush();
      if (transactionalId != null && request.path("abort").asBoolean()) {
        producer.abortTransaction();
      } else if (transactionalId != null) {
        producer.commitTransaction();
      }
    }
    if (failure.get() != null) {
      throw failure.get();
    }
    return KafkaTool.JSON.createObjectNode().put("records", count);
  }

  private static ProducerRecord<byte[], byte[]> next(DataInputStream in, List<String> topics) throws IOException {
    int topic;
    try {
      topic = in.readShort();
    } catch (EOFException end) {
      return null;
    }
    int partition = in.readInt();
    in.readLong();
    long timestamp = in.readLong();
    byte[] key = bytes(in);
    byte[] value = bytes(in);
    List<Header> headers = new ArrayList<>();
    int count = in.readShort();
    for (int i = 0; i < count; i++) {
      byte[] name = new byte[in.readShort()];
      in.readFully(name);
      headers.add(new RecordHeader(new String(name, StandardCharsets.UTF_8), bytes(in)));
    }
    return new ProducerRecord<>(topics.get(topic), partition < 0 ? null : partition, timestamp < 0 ? null : timestamp,
        key, value, headers);
  }

  private static byte[] bytes(DataInputStream in) throws IOException {
    int size = in.readInt();
    if (size < 0) {
      return null;
    }
    byte[] data = new byte[size];
    in.readFully(data);
    return data;
  }

  static void write(DataOutputStream out, int topic, ConsumerRecord<byte[], byte[]> record) throws IOException {
    out.writeShort(topic);
    out.writeInt(record.partition());
    out.writeLong(record.offset());
    out.writeLong(record.timestamp());
    bytes(out, record.key());
    bytes(out, record.value());
    Header[] headers = record.headers().toArray();
    out.writeShort(headers.length);
    for (Header header : headers) {
      byte[] name = header.key().getBytes(StandardCharsets.UTF_8);
      out.writeShort(name.length);
      out.write(name);
      bytes(out, header.value());
    }
  }

  private static void bytes(DataOutputStream out, byte[] data) throws IOException {
    out.writeInt(data == null ? -1 : data.length);
    if (data != null) {
      out.write(data);
    }
  }

  static List<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> consumer, List<String> topics) {
    List<TopicPartition> all = new ArrayList<>();
    for (String topic : topics) {
      consumer.partitionsFor(topic).forEach(info -> all.add(new TopicPartition(topic, info.partition())));
    }
    return all;
  }

  // {"file", "topics", "committed": bool, "limit"}: everything up to the end as it is now; for a committed read that
  // is the last stable offset. Never "until N records came": what is too much must be seen as well.
  static JsonNode read(String bootstrap, JsonNode request) throws Exception {
    List<String> topics = KafkaTool.strings(request.get("topics"));
    long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(request.path("limit").asInt(60));
    ObjectNode answer = KafkaTool.JSON.createObjectNode();
    try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, request.get("committed").asBoolean());
         DataOutputStream out = new DataOutputStream(new BufferedOutputStream(
             new FileOutputStream(request.get("file").asText()), 1 << 20))) {
      List<TopicPartition> all = partitions(consumer, topics);
      Map<TopicPartition, Long> ends = new HashMap<>(consumer.endOffsets(all));
      consumer.assign(all);
      consumer.seekToBeginning(all);
      long count = 0;
      List<TopicPartition> open = new ArrayList<>(all);
      while (true) {
        open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
        if (open.isEmpty()) {
          break;
        }
        if (System.nanoTime() > limit) {
          throw new IllegalStateException("reading did not reach the end of " + open.get(0));
        }
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
          if (record.offset() < ends.get(new TopicPartition(record.topic(), record.partition()))) {
            write(out, topics.indexOf(record.topic()), record);
            count++;
          }
        }
      }
      answer.put("records", count);
    }
    return answer;
  }
}
