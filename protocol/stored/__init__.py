"""The records that brokers keep in internal topics, in the metadata log and in files beside a log."""
