"""The API's wiring, read from top to bottom: all that it runs, in the order in which it starts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from internal.domain.errors import DatabaseUnavailable, StoreUnavailable
from internal.domain.identity import Credential
from internal.events.relay import Relay
from internal.identity.authenticator import Authenticator, Verifier
from internal.identity.key_verifier import open_key_verifier
from internal.identity.links import LinkSigner
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.intake.multipart import MultipartDoor
from internal.intake.policy import UploadPolicy
from internal.limits.quotas import EarlyQuotaCheck, configured_quotas
from internal.limits.request_rates import RequestRates
from internal.limits.settings import rate_of
from internal.limits.upload_rates import UploadRates
from internal.objectstore.guarded import GuardedStore
from internal.observability.gauges import GaugeSource, circuit_gauges, database_gauges, database_pool_gauges, table_gauges
from internal.observability.health import Dependency
from internal.pipeline.language.grammar import Grammar
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository
from internal.ports.signals import Signals
from internal.postgres.listener import open_listener
from internal.postgres.pool import connection_string, open_connection_pool
from internal.repository.tables import PostgresRepository
from internal.runtime.background import running
from internal.runtime.circuit_breaker import CircuitBreaker
from internal.runtime.lifecycle import shutdown_event
from internal.settings.presets import configured_grammar
from internal.settings.sections import Settings
from internal.wiring.dependencies import dependencies_of
from internal.wiring.queue import open_queue
from internal.wiring.store import open_own_store
from internal.wiring.tokens import open_tokens

API_SIGNALS = ("outbox", "image", "api_key", "revoked_token")


class AppState(Struct, frozen=True):
    """The open dependencies of the API. A handler takes the two or three that it uses."""

    settings: Settings
    repository: Repository
    store: ObjectStore
    authenticator: Authenticator
    links: LinkSigner
    request_rates: RequestRates
    upload_rates: UploadRates
    policy: UploadPolicy
    multipart: MultipartDoor
    signals: Signals
    shutdown_event: asyncio.Event
    dependencies: dict[str, Dependency]
    gauges: list[GaugeSource]

    @property
    def grammar(self) -> Grammar:
        return self.policy.grammar


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[AppState]:
    """Open what the API uses, and run the relay beside it, while the block runs."""
    async with AsyncExitStack() as stack:
        shutting_down = stack.enter_context(shutdown_event())
        database = CircuitBreaker("database", DatabaseUnavailable, settings.breaker)
        pool = await stack.enter_async_context(open_connection_pool(settings.database, database))
        listener = await stack.enter_async_context(open_listener(connection_string(settings.database), API_SIGNALS))
        reading = CircuitBreaker("object_store_reading", StoreUnavailable, settings.breaker)
        writing = CircuitBreaker("object_store_writing", StoreUnavailable, settings.breaker)
        own_store = await stack.enter_async_context(open_own_store(settings, pool))
        store = GuardedStore(own_store, reading, writing)
        queue = await stack.enter_async_context(open_queue(settings, pool, listener))
        repository = PostgresRepository(pool, queue.exports)
        relay = Relay(repository, queue, listener, lease_seconds=settings.queue.outbox_lease_seconds)
        await stack.enter_async_context(running(relay=relay.run()))
        verifiers: dict[Credential, Verifier] = {}
        if Credential.KEY in settings.auth.kinds:
            verifiers[Credential.KEY] = await stack.enter_async_context(open_key_verifier(repository.api_keys, listener))
        dependencies = dependencies_of(repository, store, queue, settings.health.seconds)
        if Credential.JWT in settings.auth.kinds:
            tokens = await stack.enter_async_context(open_tokens(settings.jwt, repository.revoked_tokens, listener))
            verifiers[Credential.JWT] = tokens.verifier
            if tokens.check is not None:
                dependencies["token_keys"] = Dependency(tokens.check, settings.health.seconds, essential=False)
        policy = upload_policy(settings)
        yield AppState(
            settings=settings,
            repository=repository,
            store=store,
            authenticator=Authenticator(verifiers),
            links=LinkSigner(settings.links.parsed_keys()),
            request_rates=RequestRates(rate_of(settings.rates.requests)),
            upload_rates=UploadRates(rate_of(settings.rates.uploads), rate_of(settings.rates.upload_bytes)),
            policy=policy,
            multipart=MultipartDoor(repository, store, policy, EarlyQuotaCheck(repository, policy.quotas)),
            signals=listener,
            shutdown_event=shutting_down,
            dependencies=dependencies,
            gauges=[
                table_gauges(repository),
                database_gauges(repository),
                database_pool_gauges(pool.get_stats),
                circuit_gauges(database, reading, writing),
            ],
        )


def upload_policy(settings: Settings) -> UploadPolicy:
    limits = settings.limits
    return UploadPolicy(
        grammar=configured_grammar(settings.processing, settings.limits),
        media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES if limits.heif_input else MEDIA_TYPES,
        max_upload_bytes=limits.max_upload_bytes,
        max_width=limits.max_width,
        max_height=limits.max_height,
        max_pixels=limits.max_pixels,
        max_renditions=limits.max_renditions,
        max_metadata_bytes=limits.max_metadata_bytes,
        slow_pixels=limits.slow_pixels,
        slow_animation_bytes=limits.slow_animation_bytes,
        default_processing=settings.processing.default,
        intent_seconds=settings.storage.intent_seconds,
        upload_expires_seconds=settings.uploads.expires_seconds,
        quotas=configured_quotas(settings.quotas),
    )
