import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Kafka Streams: the sum of delta per SKU in its RocksDB store, exactly_once_v2.
 *
 * <p>The watch runs from the first event in the aggregator to the return of the commit whose offsets cover all
 * events. Arguments: bootstrap, topic, events, state folder, application id, cache bytes, seconds to wait.
 * Prints one JSON object; ends with status 1 if a stream thread died or the time ran out.
 */
public final class SumPeer {
    private static final String STORE = "sums";
    private static final ObjectMapper JSON = new ObjectMapper();

    /** One stock movement, as it stands in the topic. */
    record Movement(
            @JsonProperty("sku") String sku,
            @JsonProperty("location") String location,
            @JsonProperty("delta") long delta,
            @JsonProperty("id") String id,
            @JsonProperty("time") String time) {}

    private SumPeer() {}

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        long events = Long.parseLong(args[2]);
        Watch watch = new Watch(topic, events);

        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[4]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.parseLong(args[5]));

        boolean cached = Long.parseLong(args[5]) > 0;
        Materialized<String, Long, KeyValueStore<Bytes, byte[]>> store =
                Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(STORE)
                        .withKeySerde(Serdes.String())
                        .withValueSerde(Serdes.Long());
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topic, Consumed.with(Serdes.String(), Serdes.serdeFrom(writer(), reader())))
                .groupByKey(Grouped.with(Serdes.String(), Serdes.serdeFrom(writer(), reader())))
                .aggregate(
                        () -> 0L,
                        (sku, movement, sum) -> {
                            watch.mark();
                            return sum + movement.delta();
                        },
                        cached ? store.withCachingEnabled() : store.withCachingDisabled());

        KafkaStreams streams = new KafkaStreams(builder.build(), settings, new TimedClients(watch));
        streams.setUncaughtExceptionHandler(
                error -> {
                    error.printStackTrace();
                    Runtime.getRuntime().halt(1);
                    return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
                });
        streams.start();
        if (!watch.done.await(Long.parseLong(args[6]), TimeUnit.SECONDS)) {
            System.err.println("Not all of " + events + " events of " + topic + " were committed in time.");
            Runtime.getRuntime().halt(1);
        }
        System.out.println(told(streams, watch));
        System.out.flush();
        streams.close(Duration.ofSeconds(10));
    }

    private static Serializer<Movement> writer() {
        return (topic, movement) -> {
            try {
                return JSON.writeValueAsBytes(movement);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
    }

    private static Deserializer<Movement> reader() {
        var reader = JSON.readerFor(Movement.class);
        return (topic, bytes) -> {
            try {
                return reader.readValue(bytes);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
    }

    private static String told(KafkaStreams streams, Watch watch) {
        ReadOnlyKeyValueStore<String, Long> sums =
                streams.store(
                        StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.keyValueStore()));
        long keys = 0;
        long total = 0;
        long digest = 0;
        try (KeyValueIterator<String, Long> all = sums.all()) {
            while (all.hasNext()) {
                var pair = all.next();
                CRC32 crc = new CRC32();
                crc.update((pair.key + "=" + pair.value).getBytes(StandardCharsets.UTF_8));
                keys++;
                total += pair.value;
                digest += crc.getValue();
            }
        }
        return String.format(
                "{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"commits\": %d, \"java\": \"%s\","
                        + " \"keys\": %d, \"total\": %d, \"digest\": %d}",
                watch.nanos / 1e9,
                watch.cpuNanos / 1e9,
                watch.commits,
                System.getProperty("java.version"),
                keys,
                total,
                digest & 0xFFFF_FFFF_FFFFL);
    }

    /** Time, and CPU time of the process over all its threads, the compiler's and collector's too. */
    private static final class Watch {
        private static final OperatingSystemMXBean SYSTEM =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

        final CountDownLatch done = new CountDownLatch(1);
        private final String topic;
        private final long wanted;
        private final Map<TopicPartition, Long> committed = new HashMap<>();
        private volatile boolean running;
        private long began;
        private long cpuBegan;
        long nanos;
        long cpuNanos;
        long commits;

        Watch(String topic, long wanted) {
            this.topic = topic;
            this.wanted = wanted;
        }

        void mark() {
            if (!running) {
                start();
            }
        }

        private synchronized void start() {
            if (!running) {
                began = System.nanoTime();
                cpuBegan = SYSTEM.getProcessCpuTime();
                running = true;
            }
        }

        /** Offsets that are now committed. */
        synchronized void committed(Map<TopicPartition, Long> offsets) {
            offsets.forEach(
                    (partition, offset) -> {
                        if (partition.topic().equals(topic)) {
                            committed.merge(partition, offset, Math::max);
                        }
                    });
            commits++;
            if (done.getCount() > 0 && committed.values().stream().mapToLong(Long::longValue).sum() >= wanted) {
                nanos = System.nanoTime() - began;
                cpuNanos = SYSTEM.getProcessCpuTime() - cpuBegan;
                done.countDown();
            }
        }
    }

    /** The usual clients, with a producer that says when a transaction with offsets is through. */
    private static final class TimedClients extends DefaultKafkaClientSupplier {
        private final Watch watch;

        TimedClients(Watch watch) {
            this.watch = watch;
        }

        @Override
        public Producer<byte[], byte[]> getProducer(Map<String, Object> config) {
            return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer()) {
                private final Map<TopicPartition, Long> sent = new HashMap<>();

                @Override
                public void sendOffsetsToTransaction(
                        Map<TopicPartition, OffsetAndMetadata> offsets, ConsumerGroupMetadata group) {
                    super.sendOffsetsToTransaction(offsets, group);
                    offsets.forEach((partition, offset) -> sent.put(partition, offset.offset()));
                }

                @Override
                public void commitTransaction() {
                    super.commitTransaction();
                    watch.committed(sent);
                    sent.clear();
                }

                @Override
                public void abortTransaction() {
                    sent.clear();
                    super.abortTransaction();
                }
            };
        }
    }
}
