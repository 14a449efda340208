// KafkaTool: what the tests ask of Kafka, done by Kafka's own Java clients, never by librdkafka, in one long-lived process.
//
// One JSON object a line on stdin: {"id": 7, "do": "describe", "bootstrap": "127.0.0.1:9092", ...}; one answer a line on
// stdout: {"id": 7, "ok": {...}} or {"id": 7, "error": "..."}. Answers may come in another order. Records travel in files
// (RecordFile). Every wait has a limit; end of stdin ends the process.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class KafkaTool {
  static final ObjectMapper JSON = new ObjectMapper();
  private static final long LIMIT_SECONDS = 30;

  private final Map<String, Admin> admins = new ConcurrentHashMap<>();
  private final Map<String, Loader> loaders = new ConcurrentHashMap<>();
  private final Map<String, Observer> observers = new ConcurrentHashMap<>();
  private final PrintStream out;

  private KafkaTool(PrintStream out) {
    this.out = out;
  }

  public static void main(String[] arguments) throws Exception {
    // Only answers may appear on stdout.
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    KafkaTool tool = new KafkaTool(out);
    ExecutorService pool = Executors.newCachedThreadPool();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode request = JSON.readTree(line);
      pool.execute(() -> tool.answer(request));
    }
    System.exit(0);
  }

  private void answer(JsonNode request) {
    ObjectNode answer = JSON.createObjectNode();
    answer.set("id", request.get("id"));
    try {
      answer.set("ok", run(request));
    } catch (Throwable problem) {
      Throwable cause = problem.getCause() != null ? problem.getCause() : problem;
      answer.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
    }
    synchronized (out) {
      out.println(answer);
    }
  }

  private JsonNode run(JsonNode request) throws Exception {
    switch (request.get("do").asText()) {
      case "createTopics": return createTopics(request);
      case "deleteTopics": return await(admin(request).deleteTopics(strings(request.get("names"))).all());
      case "describe": return describe(request);
      case "alterConfig": return alterConfig(request);
      case "addPartitions": return addPartitions(request);
      case "moveLeaders": return moveLeaders(request);
      case "deleteRecords": return deleteRecords(request);
      case "committed": return committed(request);
      case "group": return group(request);
      case "moveOffset": return moveOffset(request);
      case "quota": return quota(request);
      case "transactions": return transactions(request);
      case "allow": return access(request, AclPermissionType.ALLOW);
      case "deny": return access(request, AclPermissionType.DENY);
      case "forgetAccess": return forgetAccess(request);
      case "scramUser": return scramUser(request);
      case "produce": return RecordFile.produce(bootstrap(request), request);
      case "read": return RecordFile.read(bootstrap(request), request);
      case "load": return load(request);
      case "loadStop": return loaders.remove(request.get("name").asText()).finish();
      case "observe": return observe(request);
      case "observeStop": return observers.remove(request.get("name").asText()).finish(request.path("read_on").asInt(0));
      default: throw new IllegalArgumentException("unknown command " + request.get("do"));
    }
  }

  static String bootstrap(JsonNode request) {
    return request.get("bootstrap").asText();
  }

  static Properties clientProperties(String bootstrap) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    return properties;
  }

  private Admin admin(JsonNode request) {
    return admins.computeIfAbsent(bootstrap(request), servers -> {
      Properties properties = clientProperties(servers);
      properties.put("request.timeout.ms", "10000");
      properties.put("default.api.timeout.ms", "20000");
      properties.put("reconnect.backoff.max.ms", "200");
      return Admin.create(properties);
    });
  }

  private static <T> JsonNode await(org.apache.kafka.common.KafkaFuture<T> future) throws Exception {
    future.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    return JSON.createObjectNode();
  }

  static List<String> strings(JsonNode array) {
    List<String> found = new ArrayList<>();
    array.forEach(node -> found.add(node.asText()));
    return found;
  }

  // {"topics": {"name": {"partitions": 4, "configs": {...}}}}; returns when every partition has a leader.
  private JsonNode createTopics(JsonNode request) throws Exception {
    List<NewTopic> topics = new ArrayList<>();
    Map<String, Integer> counts = new HashMap<>();
    request.get("topics").properties().forEach(entry -> {
      Map<String, String> configs = new HashMap<>();
      JsonNode given = entry.getValue().get("configs");
      if (given != null) {
        given.properties().forEach(config -> configs.put(config.getKey(), config.getValue().asText()));
      }
      int partitions = entry.getValue().get("partitions").asInt();
      short replication = (short) (entry.getValue().has("replication") ? entry.getValue().get("replication").asInt() : 1);
      counts.put(entry.getKey(), partitions);
      topics.add(new NewTopic(entry.getKey(), partitions, replication).configs(configs));
    });
    await(admin(request).createTopics(topics).all());
    return awaitLeaders(admin(request), counts);
  }

  // The same for partitions that are added. A producer that meets one before its leader does can end up with sequence
  // numbers that the broker never takes.
  private JsonNode addPartitions(JsonNode request) throws Exception {
    String topic = request.get("topic").asText();
    int count = request.get("count").asInt();
    await(admin(request).createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all());
    return awaitLeaders(admin(request), Map.of(topic, count));
  }

  private static JsonNode awaitLeaders(Admin admin, Map<String, Integer> counts) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (!haveLeaders(admin, counts)) {
      if (System.nanoTime() > end) {
        throw new IllegalStateException("new partitions have no leaders");
      }
      Thread.sleep(20);
    }
    return JSON.createObjectNode();
  }

  private static boolean haveLeaders(Admin admin, Map<String, Integer> counts) throws Exception {
    Map<String, TopicDescription> found;
    try {
      found = admin.describeTopics(counts.keySet()).allTopicNames().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException error) {
      return notYet(error);
    }
    Map<TopicPartition, OffsetSpec> all = new HashMap<>();
    for (Map.Entry<String, Integer> entry : counts.entrySet()) {
      for (int partition = 0; partition < entry.getValue(); partition++) {
        all.put(new TopicPartition(entry.getKey(), partition), OffsetSpec.latest());
      }
      boolean led = found.get(entry.getKey()).partitions().stream()
          .allMatch(part -> part.leader() != null && !part.leader().isEmpty());
      if (!led || found.get(entry.getKey()).partitions().size() < entry.getValue()) {
        return false;
      }
    }
    // Only a broker that knows of its leadership answers this one, and not each broker knows of a new topic at once.
    try {
      offsets(admin, all, false);
    } catch (ExecutionException error) {
      return notYet(error);
    }
    return true;
  }

  // False when asking again can help: a broker that does not know the topic or its leadership yet. Else the error itself.
  private static boolean notYet(ExecutionException error) throws ExecutionException {
    if (error.getCause() instanceof RetriableException) {
      return false;
    }
    throw error;
  }

  // For each topic its id, and for each partition: begin, end (high watermark), stable (last stable offset).
  private JsonNode describe(JsonNode request) throws Exception {
    Admin admin = admin(request);
    Map<String, TopicDescription> found =
        admin.describeTopics(strings(request.get("topics"))).allTopicNames().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    Map<TopicPartition, OffsetSpec> first = new HashMap<>();
    Map<TopicPartition, OffsetSpec> last = new HashMap<>();
    found.values().forEach(topic -> topic.partitions().forEach(part -> {
      first.put(new TopicPartition(topic.name(), part.partition()), OffsetSpec.earliest());
      last.put(new TopicPartition(topic.name(), part.partition()), OffsetSpec.latest());
    }));
    Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> begin = offsets(admin, first, false);
    Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> end = offsets(admin, last, false);
    Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> stable = offsets(admin, last, true);
    ObjectNode answer = JSON.createObjectNode();
    found.values().forEach(topic -> {
      ObjectNode node = answer.putObject(topic.name());
      node.put("id", topic.topicId().toString());
      ObjectNode partitions = node.putObject("partitions");
      topic.partitions().forEach(part -> {
        TopicPartition key = new TopicPartition(topic.name(), part.partition());
        ObjectNode one = partitions.putObject(Integer.toString(part.partition()));
        one.put("begin", begin.get(key).offset());
        one.put("end", end.get(key).offset());
        one.put("stable", stable.get(key).offset());
      });
    });
    return answer;
  }

  private static Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> offsets(
      Admin admin, Map<TopicPartition, OffsetSpec> what, boolean stable) throws Exception {
    IsolationLevel level = stable ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
    return admin.listOffsets(what, new ListOffsetsOptions(level)).all().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private JsonNode alterConfig(JsonNode request) throws Exception {
    List<AlterConfigOp> changes = new ArrayList<>();
    request.get("configs").properties().forEach(entry -> changes.add(entry.getValue().isNull()
        ? new AlterConfigOp(new ConfigEntry(entry.getKey(), null), AlterConfigOp.OpType.DELETE)
        : new AlterConfigOp(new ConfigEntry(entry.getKey(), entry.getValue().asText()), AlterConfigOp.OpType.SET)));
    ConfigResource whose = request.has("broker")
        ? new ConfigResource(ConfigResource.Type.BROKER, request.get("broker").asText())
        : new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
    return await(admin(request).incrementalAlterConfigs(Map.of(whose, changes)).all());
  }

  // Every partition of these topics gets its next replica as its leader: {"moved": how many}. No data moves.
  private JsonNode moveLeaders(JsonNode request) throws Exception {
    Admin admin = admin(request);
    Map<TopicPartition, Optional<NewPartitionReassignment>> orders = new HashMap<>();
    admin.describeTopics(strings(request.get("topics"))).allTopicNames().get(LIMIT_SECONDS, TimeUnit.SECONDS)
        .values().forEach(topic -> topic.partitions().forEach(part -> {
          List<Integer> replicas = new ArrayList<>(part.replicas().stream().map(Node::id).toList());
          int now = part.leader() == null ? 0 : Math.max(0, replicas.indexOf(part.leader().id()));
          java.util.Collections.rotate(replicas, -(now + 1));
          orders.put(new TopicPartition(topic.name(), part.partition()),
              Optional.of(new NewPartitionReassignment(replicas)));
        }));
    await(admin.alterPartitionReassignments(orders).all());
    Map<TopicPartition, Optional<Throwable>> answers = admin.electLeaders(ElectionType.PREFERRED, orders.keySet())
        .partitions().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    return JSON.createObjectNode().put("moved", answers.values().stream().filter(Optional::isEmpty).count());
  }

  // Commits an offset for a group without being its member: a transaction may, even while the group lives.
  private static JsonNode moveOffset(JsonNode request) {
    Properties properties = clientProperties(bootstrap(request));
    properties.put("transactional.id", "move-" + System.nanoTime());
    TopicPartition partition = new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
    OffsetAndMetadata to = new OffsetAndMetadata(request.get("offset").asLong());
    ByteArraySerializer bytes = new ByteArraySerializer();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, bytes, bytes)) {
      producer.initTransactions();
      producer.beginTransaction();
      producer.sendOffsetsToTransaction(
          Map.of(partition, to), new ConsumerGroupMetadata(request.get("group").asText()));
      producer.commitTransaction();
    }
    return JSON.createObjectNode();
  }

  // producer_byte_rate of a client.id; without `bytes`, none any more.
  private JsonNode quota(JsonNode request) throws Exception {
    ClientQuotaEntity whose = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, request.get("client").asText()));
    Double rate = request.hasNonNull("bytes") ? request.get("bytes").asDouble() : null;
    ClientQuotaAlteration.Op change = new ClientQuotaAlteration.Op("producer_byte_rate", rate);
    return await(admin(request).alterClientQuotas(List.of(new ClientQuotaAlteration(whose, List.of(change)))).all());
  }

  private JsonNode deleteRecords(JsonNode request) throws Exception {
    TopicPartition partition = new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
    RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
    return await(admin(request).deleteRecords(Map.of(partition, before)).all());
  }

  // {topic: {partition: {offset, metadata}}}
  private JsonNode committed(JsonNode request) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    admin(request).listConsumerGroupOffsets(request.get("group").asText()).partitionsToOffsetAndMetadata()
        .get(LIMIT_SECONDS, TimeUnit.SECONDS).forEach((partition, offset) -> {
          if (offset != null) {
            ObjectNode one = answer.withObject("/" + partition.topic()).putObject(Integer.toString(partition.partition()));
            one.put("offset", offset.offset());
            one.put("metadata", offset.metadata());
          }
        });
    return answer;
  }

  private JsonNode group(JsonNode request) throws Exception {
    String name = request.get("group").asText();
    var found = admin(request).describeConsumerGroups(List.of(name)).all().get(LIMIT_SECONDS, TimeUnit.SECONDS).get(name);
    ObjectNode answer = JSON.createObjectNode();
    answer.put("type", found.type().toString());
    var members = answer.putArray("members");
    found.members().forEach(member -> {
      ObjectNode one = members.addObject();
      one.put("member", member.consumerId());
      one.put("instance", member.groupInstanceId().orElse(null));
      one.put("partitions", member.assignment().topicPartitions().size());
    });
    return answer;
  }

  // Transactions that are open now: {transactional id: state}.
  private JsonNode transactions(JsonNode request) throws Exception {
    ObjectNode answer = JSON.createObjectNode();
    admin(request).listTransactions().all().get(LIMIT_SECONDS, TimeUnit.SECONDS).forEach(one -> {
      String state = one.state().toString();
      if (!state.startsWith("Complete") && !state.equals("Empty")) {
        answer.put(one.transactionalId(), state);
      }
    });
    return answer;
  }

  private static PatternType pattern(JsonNode request) {
    return request.path("prefixed").asBoolean() ? PatternType.PREFIXED : PatternType.LITERAL;
  }

  // {"resource": "topic", "name": ..., "prefixed": bool, "operation": "WRITE", "principal": everyone, when absent}
  private JsonNode access(JsonNode request, AclPermissionType permission) throws Exception {
    ResourceType type = ResourceType.fromString(request.get("resource").asText());
    AclOperation operation = AclOperation.fromString(request.get("operation").asText());
    ResourcePattern pattern = new ResourcePattern(type, request.get("name").asText(), pattern(request));
    String principal = request.path("principal").asText("User:*");
    AccessControlEntry entry = new AccessControlEntry(principal, "*", operation, permission);
    return await(admin(request).createAcls(List.of(new AclBinding(pattern, entry))).all());
  }

  // All rules of a resource, or those of one principal.
  private JsonNode forgetAccess(JsonNode request) throws Exception {
    ResourceType type = ResourceType.fromString(request.get("resource").asText());
    ResourcePatternFilter pattern =
        new ResourcePatternFilter(type, request.get("name").asText(), pattern(request));
    AccessControlEntryFilter entry = request.has("principal")
        ? new AccessControlEntryFilter(request.get("principal").asText(), null, AclOperation.ANY, AclPermissionType.ANY)
        : AccessControlEntryFilter.ANY;
    return await(admin(request).deleteAcls(List.of(new AclBindingFilter(pattern, entry))).all());
  }

  // {"user", "password"}: who may come in by SCRAM-SHA-512, and with what from now on.
  private JsonNode scramUser(JsonNode request) throws Exception {
    ScramCredentialInfo kind = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096);
    String user = request.get("user").asText();
    String password = request.get("password").asText();
    return await(
        admin(request).alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, kind, password))).all());
  }

  private JsonNode load(JsonNode request) {
    Loader loader = new Loader(bootstrap(request), request);
    loaders.put(request.get("name").asText(), loader);
    loader.start();
    return JSON.createObjectNode();
  }

  private JsonNode observe(JsonNode request) throws Exception {
    Observer observer = new Observer(bootstrap(request), request);
    observers.put(request.get("name").asText(), observer);
    observer.start();
    return JSON.createObjectNode();
  }
}
