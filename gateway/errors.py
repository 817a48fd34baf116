"""Every error the gateway can answer: one stable code each, with its kind and HTTP status.

No data value ever enters an error: details and hints are made of policy, query and code alone.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Who has to act: the asker, the policy's owner, the budget's owner, time, or the operator."""

    USER = "user"
    DENIED = "denied"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the buyer's SQL (or a policy file): line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Code:
    kind: Kind
    status: int
    title: str


_U, _D, _X, _V, _I = Kind.USER, Kind.DENIED, Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.INTERNAL

CODES: dict[str, Code] = {
    # the request
    "bad_request": Code(_U, 400, "The request is not well formed"),
    "bad_json": Code(_U, 400, "The body is not strict JSON"),
    "bad_encoding": Code(_U, 415, "The body is compressed or not UTF-8 JSON"),
    "too_large": Code(_U, 413, "The request is larger than the gateway reads"),
    "not_found": Code(_U, 404, "There is nothing here for this caller"),
    "method_not_allowed": Code(_U, 405, "This address does not take this method"),
    "unsupported_option": Code(_U, 400, "This option is reserved and not yet served"),
    "idempotency_conflict": Code(_U, 409, "The idempotency key was used with another body"),
    "too_many_requests": Code(_X, 429, "More is asked at once than the gateway takes"),
    "answer_expired": Code(_U, 410, "The answer is no longer kept"),
    # who asks
    "unauthenticated": Code(_D, 401, "The token is missing or not valid"),
    "forbidden": Code(_D, 403, "The caller's roles do not allow this"),
    "two_persons": Code(_D, 403, "This takes two persons"),
    "not_a_member": Code(_D, 403, "The caller or its organisation is no verified member"),
    "member_suspended": Code(_D, 403, "The caller or its organisation is suspended"),
    "member_conflict": Code(_U, 409, "The member does not stand as this takes it to"),
    "name_reserved": Code(_U, 409, "The name is reserved"),
    # the SQL as text
    "sql_too_long": Code(_U, 400, "The SQL exceeds a size limit"),
    "sql_too_deep": Code(_U, 400, "The SQL is nested too deeply"),
    "sql_too_complex": Code(_U, 400, "The SQL takes too long to plan"),
    "sql_syntax": Code(_U, 400, "The SQL does not parse"),
    "sql_not_select": Code(_U, 400, "Only one SELECT statement is answered"),
    "unsupported_sql": Code(_U, 400, "This SQL construct is not answered"),
    "unsupported_function": Code(_U, 400, "This function is not on the allow-list"),
    "unsupported_on_engine": Code(_U, 400, "The dataset's engine does not compute this as the others do"),
    "table_function": Code(_U, 400, "Only tables of the dataset can be read"),
    # names and types
    "unknown_dataset": Code(_D, 404, "No such dataset for this caller"),
    "unknown_table": Code(_D, 400, "No such table in this dataset"),
    "unknown_column": Code(_D, 400, "No such column in this relation"),
    "ambiguous_name": Code(_U, 400, "The name can mean more than one thing"),
    "lateral_alias": Code(_U, 400, "An alias of the same SELECT list is used as a column"),
    "type_mismatch": Code(_U, 400, "An expression mixes types that do not compare"),
    "not_grouped": Code(_U, 400, "A column is neither grouped nor aggregated"),
    # privacy rules
    "raw_rows": Code(_D, 400, "Rows of a private table never leave"),
    "unit_key_released": Code(_D, 400, "The privacy unit's key is never released"),
    "no_owner_equality": Code(_D, 400, "Two private relations are joined without their owners being equal"),
    "join_not_private": Code(_D, 400, "This join cannot be shown to be private"),
    "limit_below_measurement": Code(_D, 400, "LIMIT or ORDER BY below the aggregate reads other people's rows"),
    "window_across_owners": Code(_D, 400, "A window reads rows of more than one owner"),
    "set_operation": Code(_D, 400, "This set operation cannot be shown to be private"),
    "subquery": Code(_D, 400, "This subquery cannot be shown to be private"),
    "distinct": Code(_D, 400, "DISTINCT over private rows is not answered here"),
    "per_owner_aggregate": Code(_D, 400, "An aggregate per owner is not answered here"),
    "aggregate_of_released": Code(_D, 400, "Aggregating released results again is not answered here"),
    "float_key": Code(_D, 400, "A floating point number cannot be a group key"),
    "private_keys": Code(_D, 400, "Keys that only the data know cannot be released under this accounting"),
    "no_bounds": Code(_D, 400, "The contribution of one unit is not bounded"),
    "too_many_cells": Code(_D, 400, "The query has more cells than the policy allows"),
    # the policy's decision
    "compliance_expired": Code(_D, 403, "The dataset is not reviewed or its review has expired"),
    "no_grant": Code(_D, 403, "No grant covers this request"),
    "mode_not_served": Code(_D, 403, "The grant's mode of use is not served"),
    "mode_not_granted": Code(_D, 403, "The grant's mode of use does not cover this"),
    "purpose_not_granted": Code(_D, 403, "The stated purpose is not granted"),
    "jurisdiction_not_granted": Code(_D, 403, "The caller's jurisdiction is not granted"),
    "grant_not_valid": Code(_D, 403, "The grant is not valid at this date"),
    "grant_not_signed": Code(_D, 403, "The grant is not signed by a confirmed key of its provider"),
    "grant_not_open": Code(_U, 409, "The grant is in another state than this asks for"),
    "cross_border_limit": Code(_X, 403, "As many people's data went to that country as may in a year"),
    "column_use": Code(_D, 403, "The policy does not allow this use of a column"),
    "epsilon_too_large": Code(_D, 403, "The query asks for more epsilon than the policy allows at once"),
    # accuracy in place of epsilon
    "accuracy_not_predicted": Code(_U, 400, "The error of this column cannot be told beforehand"),
    "accuracy_unreachable": Code(_D, 403, "The accuracy costs more than the policy allows at once"),
    "policy_replaced": Code(_U, 409, "Another version of the policy is served by now"),
    "version_state": Code(_U, 409, "The state of the policy's version does not allow this"),
    # the ledger
    "budget_exhausted": Code(_X, 403, "The privacy budget does not cover this query"),
    "uses_exhausted": Code(_X, 403, "The grant's number of uses is spent"),
    "spending_capped": Code(_X, 403, "The price exceeds a spending cap"),
    "rate_limited": Code(_X, 429, "The grant's rate is reached"),
    "too_many_running": Code(_X, 429, "As many of the buyer's queries run as may at once"),
    # billing
    "period_open": Code(_U, 409, "The billing period has not ended"),
    "already_invoiced": Code(_U, 409, "The billing period has its invoices"),
    "meter_conflict": Code(_I, 500, "Two meter events of one id differ"),
    # disputes
    "case_conflict": Code(_U, 409, "The case does not stand as this takes it to"),
    # after the charge, and operations
    "frozen": Code(_D, 403, "A supervisor or the provider has frozen this"),
    "query_stopped": Code(_D, 409, "A freeze, a suspension or a withdrawal ended the query while it ran"),
    "grant_ended": Code(_D, 409, "The query's grant ended while it ran"),
    "query_cancelled": Code(_U, 409, "The buyer ended the query while it ran"),
    "query_failed": Code(_I, 500, "The query was charged and could not be finished"),
    "dataset_suspended": Code(_V, 503, "The dataset is suspended until its provider looks at it"),
    "buyer_suspended": Code(_D, 403, "This buyer is suspended on this dataset until its provider looks"),
    "refresh_needed": Code(_V, 503, "The data file changed and was not declared"),
    "engine_unavailable": Code(_V, 503, "The provider's engine cannot be reached now"),
    "overloaded": Code(_V, 503, "The gateway has no free worker now"),
    "not_ready": Code(_V, 503, "The gateway takes no queries now"),
    "shutting_down": Code(_V, 503, "The gateway is draining"),
    "internal": Code(_I, 500, "The gateway failed; nothing was released"),
    # the provider's own files
    "policy_invalid": Code(_U, 400, "The policy file has an error"),
    "settings_invalid": Code(_U, 400, "A setting has an error"),
    "store_outdated": Code(_I, 500, "The store has another schema than this gateway"),
    "store_unavailable": Code(_V, 503, "The gateway's own store cannot be reached now"),
    "store_rolled_back": Code(_I, 500, "The store is older than, or another than, what the log's key has signed"),
    "store_fenced": Code(_V, 503, "The store was restored and waits for its operator"),
    "log_corrupt": Code(_I, 500, "The transparency log does not verify"),
}


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of pace by its name: so many within a window of seconds, how many are left, and when that changes."""

    name: str
    most: int
    window_s: int
    left: int
    wait_s: int


class GatewayError(Exception):
    """An answer other than the one asked for.

    `detail` says what is wrong with this request, `hint` what to write instead. `fingerprint` is that of the SQL that
    is refused, where it could be read: for the meter event, no answer shows it. `quota` is the pace that was passed.
    """

    fingerprint: str | None = None
    quota: Quota | None = None

    def __init__(self, code: str, detail: str, hint: str = "", position: Position | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.hint = hint
        self.position = position

    def __reduce__(self) -> tuple[type["GatewayError"], tuple[str, str, str, Position | None]]:
        return GatewayError, (self.code, self.detail, self.hint, self.position)

    @property
    def kind(self) -> Kind:
        return CODES[self.code].kind

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return CODES[self.code].status

    @property
    def title(self) -> str:
        return CODES[self.code].title


class Interrupted(GatewayError):
    """Work that the gateway itself ended because it stops. Raised by its own process alone, never on a child's word."""

    def __init__(self, hint: str = "Ask again when it is back.") -> None:
        super().__init__("shutting_down", "The gateway is stopping.", hint)


class Overloaded(GatewayError):
    """No worker got free in time. Raised by the gateway's own process alone, never on a child's word."""

    def __init__(self, detail: str, hint: str = "Ask again in a moment.") -> None:
        super().__init__("overloaded", detail, hint)


class StoreUnavailable(GatewayError):
    """The gateway's own store cannot be reached. Raised by the store itself alone, never on a child's word."""

    def __init__(self) -> None:
        hint = "Ask again a little later, with the same Idempotency-Key."
        super().__init__("store_unavailable", "The gateway's own store cannot be reached now.", hint)
