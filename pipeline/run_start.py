"""What happens before the first process starts: new run or old one, and on which address."""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline.config import RunConfig, TransportConfig
from pipeline.endpoints import TransportSettings, check_endpoint
from pipeline.errors import ConfigError
from pipeline.run_folder import RunFolder, check_same_sources, create_run, newest_unfinished

logger = logging.getLogger(__name__)


def claim_run(
    config: RunConfig, store_dir: Path, resume: bool, wait_s: float
) -> tuple[RunFolder, RunConfig, int]:
    """Make a new run or find the one to resume, and claim it.

    Returns:
        its folder, its effective configuration, and the claim as a file descriptor.

    Raises:
        ConfigError: see `pipeline.supervisor.run`; nothing has been written then.
    """
    for settings in (hub_transport(config.transport), worker_transport(config.transport)):
        if settings is not None:
            check_endpoint(settings)
    unfinished = newest_unfinished(store_dir)
    if resume:
        if unfinished is None:
            raise ConfigError(f"{store_dir}: no unfinished run to resume; start without --resume")
        check_same_sources(unfinished, config)
        effective = effective_config(unfinished, config)
        return unfinished, effective, unfinished.lock(wait_s)
    if unfinished is not None and not unfinished.is_locked():
        logger.warning(
            "run %s is unfinished; this is a new run, --resume would continue that one",
            unfinished.run_uuid,
        )
    folder = create_run(store_dir, config)
    return folder, config, folder.lock(0.0)


def effective_config(folder: RunFolder, config: RunConfig) -> RunConfig:
    """The configuration of a resumed run: as it began, with today's workers and transport.

    Other settings would make the replayed tracks differ from those that are stored.
    """
    began_with = RunConfig.model_validate(folder.config())
    kept = {"workers", "transport", "cameras", "retention_days", "ui"}
    for key in sorted(set(RunConfig.model_fields) - kept):
        if getattr(began_with, key) != getattr(config, key):
            logger.warning("%s has changed; the resumed run keeps what it began with", key)
    return began_with.model_copy(update={"workers": config.workers, "transport": config.transport})


def hub_transport(config: TransportConfig) -> TransportSettings | None:
    """Where the hub listens; None for a private socket in the run's folder.

    With keys, the hub admits the workers whose public certificates (`*.key`) lie beside
    `curve_public_key`, itself included.
    """
    if config.endpoint is None:
        return None
    if config.endpoint.startswith("inproc://"):
        raise ConfigError(
            "transport.endpoint: workers are processes, inproc:// does not reach them; "
            "use ipc://PATH or leave it out"
        )
    if config.curve_secret_key is None or config.curve_public_key is None:
        return TransportSettings(config.endpoint)
    return TransportSettings(
        config.endpoint,
        secret_key_file=str(config.curve_secret_key),
        worker_keys_folder=str(config.curve_public_key.parent),
    )


def worker_transport(config: TransportConfig) -> TransportSettings | None:
    """How workers reach the hub; None for the private socket in the run's folder.

    Without `curve_server_key` the hub is taken to have the same keys.
    """
    if config.endpoint is None:
        return None
    endpoint = config.endpoint
    for everywhere in ("tcp://*:", "tcp://0.0.0.0:"):
        endpoint = endpoint.replace(everywhere, "tcp://127.0.0.1:")
    if config.curve_secret_key is None:
        return TransportSettings(endpoint)
    hub_key = config.curve_server_key or config.curve_public_key
    return TransportSettings(
        endpoint, secret_key_file=str(config.curve_secret_key), hub_key_file=str(hub_key)
    )
