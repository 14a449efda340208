"""What the tests on a real broker share: the broker, Kafka's own clients, the daemon, the model, the checker."""
