"""The contract between the gateway and its workers: data, codec, channel, configuration, errors."""
