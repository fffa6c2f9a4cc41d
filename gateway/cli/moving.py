"""What `load` and `unload` share: one request to the running node, which ends when the model is where it should be."""

from __future__ import annotations

import argparse
import sys
from typing import Literal
from urllib.parse import quote

from gateway.cli.node_status import NodeUnreachable, ask, own_key
from gateway.cli.status import DEFAULT_URL
from shared.config import read_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a model's id or alias")
    parser.add_argument("--url", help=f"the node, also MLX_GATEWAY_URL ({DEFAULT_URL})")


def run(args: argparse.Namespace, verb: Literal["load", "unload"]) -> int:
    """0; 1 when the node refuses or does not answer."""
    environment = read_environment()
    url = args.url or environment.url or DEFAULT_URL
    try:
        model = ask("POST", url, f"/v1/models/{quote(args.model, safe='')}/{verb}", own_key(environment), None)
    except NodeUnreachable as error:
        print(f"mlx-gateway: {error.message}", file=sys.stderr)
        return 1
    print(f"{model['id']} is {model['state']}")
    return 0
