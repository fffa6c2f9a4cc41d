"""The node's configuration: YAML and environment in, frozen values out."""

from shared.config.environment import Environment, read_environment, user_environment
from shared.config.load import load_config
from shared.config.schema import MediaSection, ModelConfig, NodeConfig, NodeSection, SamplingDefaults, ServerSection

__all__ = [
    "Environment",
    "MediaSection",
    "ModelConfig",
    "NodeConfig",
    "NodeSection",
    "SamplingDefaults",
    "ServerSection",
    "load_config",
    "read_environment",
    "user_environment",
]
