"""The parts that the server and the one-off tasks both make: tokens, and the books on a store."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.app.granted import StoreGrants
from gateway.app.granting import GrantBooks
from gateway.engines.by_kind import Engines
from gateway.engines.duckdb_engine import DuckDBEngine
from gateway.engines.postgres_engine import PostgresEngine
from gateway.engines.spark_engine import SparkEngine
from gateway.identity.development import DevelopmentKey, open_secret
from gateway.identity.keys import from_file, from_url
from gateway.identity.tokens import Lifetimes, Tokens
from gateway.ledger.alerts import Alerts
from gateway.ledger.binding import Bindings
from gateway.ledger.buyers import Buyers
from gateway.ledger.cases import Cases
from gateway.ledger.crossings import Crossings
from gateway.ledger.freezing import Freezes
from gateway.ledger.granting import Grants
from gateway.ledger.keeping import Kept
from gateway.ledger.ledger import Ledger
from gateway.ledger.members import Members
from gateway.ledger.meter import MeterLog
from gateway.ledger.observing import Observations
from gateway.ledger.registering import Registry
from gateway.ledger.revoking import Revocations
from gateway.ledger.sealing import Sealer
from gateway.ledger.signing_keys import SigningKeys
from gateway.ledger.standing import Standing
from gateway.ledger.topups import TopUps
from gateway.ledger.versions import Versions
from gateway.orders import buyer_id
from gateway.request import Caller
from gateway.settings import Settings, variable
from gateway.store.database import Store
from gateway.workers.pool import Pool


def engines(settings: Settings, pool: Pool) -> Engines:
    """Return all engines: DuckDB in the processes of a pool, servers over connections of this process."""
    duckdb = DuckDBEngine(pool, settings.wait_s)
    postgres = PostgresEngine(variable, settings.engine_connections, settings.wait_s, settings.engine_deadline_s)
    spark = SparkEngine(variable, settings.engine_connections, settings.wait_s)
    return Engines(duckdb, postgres, spark)


@dataclass(frozen=True, slots=True)
class Books:
    """All that is written into one store, each part by its noun."""

    ledger: Ledger
    meter: MeterLog
    versions: Versions
    bindings: Bindings
    buyers: Buyers
    topups: TopUps
    revocations: Revocations
    freezes: Freezes
    members: Members
    cases: Cases
    kept: Kept
    registry: Registry
    granting: GrantBooks
    granted: StoreGrants
    observations: Observations
    alerts: Alerts


def books(store: Store, settings: Settings) -> Books:
    """Return the books of a store, with the key that seals query texts."""
    clock = SystemClock()
    sealer = Sealer(bytes.fromhex(open_secret(settings.state, "text.key", SystemRandomness())), SystemRandomness())
    longest = timedelta(seconds=settings.max_token_lifetime_s + 2 * settings.clock_skew_s)
    grants = Grants(store, clock)
    return Books(
        Ledger(store, clock, settings.source, sealer, settings.lease_s, required=settings.members_required),
        MeterLog(store, clock, settings.source),
        Versions(store, clock),
        Bindings(store, clock),
        Buyers(store, clock),
        TopUps(store, clock),
        Revocations(store, clock, longest),
        Freezes(store, clock),
        Members(store, clock),
        Cases(store, clock),
        Kept(store, clock, sealer),
        Registry(store, clock, required=settings.members_required),
        GrantBooks(grants, SigningKeys(store, clock), Crossings(store)),
        StoreGrants(grants, clock, settings.source),
        Observations(store, clock, sealer),
        Alerts(store, clock),
    )


def tokens(settings: Settings, revocations: Revocations) -> Tokens:
    """Return the checker of the one trusted issuer that the settings name, or of the embedded key."""

    async def stands(issuer: str, caller: Caller, issued_at: datetime) -> Standing:
        return await revocations.standing(issuer, caller.token_id, buyer_id(caller), issued_at)

    outside = settings.issuer is not None
    keys = None
    if settings.jwks_file is not None:
        keys = from_file(settings.jwks_file)
    elif settings.jwks_url is not None:
        keys = from_url(settings.jwks_url)
    return Tokens(
        SystemClock(),
        settings.audience,
        development=None if outside else DevelopmentKey.open(settings.state, SystemRandomness()),
        issuer=settings.issuer,
        keys=keys,
        secret=settings.hs256_secret,
        lifetimes=Lifetimes(settings.max_token_lifetime_s, settings.clock_skew_s),
        stands=stands,
    )
