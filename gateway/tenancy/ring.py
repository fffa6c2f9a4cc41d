"""All keys of the node, from the YAML and from the key file, and who a request comes from.

The file is looked at every half second, so a key that is revoked stops at once, open streams included.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from gateway.tenancy import keyfile
from gateway.tenancy.tenant import Tenant
from gateway.tenancy.windows import DAY
from shared.config.keys import KeyConfig
from shared.errors import ConfigError, Unauthorized
from shared.logs import get_logger

log = get_logger("gateway.tenancy")

LOOK = 0.5  # seconds between looks at the file


class KeyRing:
    """Owns the tenants. `file` None: only the configured keys."""

    def __init__(
        self, configured: Sequence[KeyConfig] = (), file: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises ConfigError when the file can't be used."""
        self._configured = tuple(configured)
        self._file = file
        self._clock = clock
        self._stamp = keyfile.stamp(file) if file else None
        self._tenants: dict[str, Tenant] = {}  # by the key's digest
        self._local: tuple[str, Tenant] | None = None
        self._anyone = Tenant(None, clock)
        self._had_keys = False
        self._swap(self._read())

    @property
    def guarded(self) -> bool:
        """Whether requests need a key: once there was one, they do until the node starts anew."""
        return self._had_keys

    @property
    def tenants(self) -> list[Tenant]:
        return list(self._tenants.values())

    def tenant(self, presented: str | None) -> Tenant:
        """Whose key that is. Raises Unauthorized. Every key is compared, so the time tells nothing."""
        if not self.guarded:
            return self._anyone
        if not presented:
            raise Unauthorized(
                "You didn't provide an API key. Send it as `Authorization: Bearer KEY` or as `x-api-key`."
            )
        given, found = keyfile.digest(presented), None
        for digest, tenant in [*self._tenants.items(), *filter(None, [self._local])]:
            if hmac.compare_digest(digest, given):
                found = tenant
        if found is None:
            raise Unauthorized("Incorrect API key provided.")
        return found

    def open_local(self) -> None:
        """Lets commands on this machine in: writes a fresh admin key into the state directory. Raises ConfigError."""
        if self._file is not None:
            key = keyfile.write_local(self._file.parent)
            self._local = (key.key_sha256, Tenant(key, self._clock))

    def restore(self, tokens_since: Callable[[float], Mapping[str, int]]) -> None:
        """Counts what was used today before the node started; `tokens_since` tells it by key."""
        now = self._clock()
        for name, tokens in tokens_since(now - now % DAY).items():
            for tenant in self._tenants.values():
                if tenant.name == name:
                    tenant.restore(tokens)

    def configure(self, configured: Sequence[KeyConfig]) -> None:
        """Other keys from a new configuration. Raises ConfigError and changes nothing when they can't be used."""
        before, self._configured = self._configured, tuple(configured)
        try:
            self._swap(self._read())
        except ConfigError:
            self._configured = before
            raise

    def look(self) -> None:
        """Reads the file again if it has changed; one that can't be read changes nothing."""
        if self._file is None or (stamp := keyfile.stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._swap(self._read())
        except ConfigError as error:
            log.error("the key file is not used", error=error.message)

    async def watch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        while True:
            await sleep(LOOK)
            self.look()

    def _read(self) -> list[KeyConfig]:
        keys = [*self._configured, *(keyfile.read(self._file) if self._file else ())]
        names = [key.name for key in keys]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigError(f"{self._file}: the key {twice!r} is in the configuration too; revoke or rename one")
        return keys

    def _swap(self, keys: Sequence[KeyConfig]) -> None:
        """Keeps each tenant whose name stays, with its windows. A key that changed or is gone loses its streams."""
        by_name = {tenant.name: (digest, tenant) for digest, tenant in self._tenants.items()}
        fresh: dict[str, Tenant] = {}
        for key in keys:
            digest, tenant = by_name.pop(key.name, (None, Tenant(key, self._clock)))
            if digest not in (None, key.key_sha256):
                tenant.revoke()
            tenant.key = key
            fresh[key.key_sha256] = tenant
        self._tenants = fresh
        self._had_keys = self._had_keys or bool(fresh)
        for _, tenant in by_name.values():
            log.info("key revoked", key=tenant.name)
            tenant.revoke()
