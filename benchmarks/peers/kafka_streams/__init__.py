"""The Kafka Streams peer: a Java program, the jars it needs beside the broker's, and the JDK that builds it."""
