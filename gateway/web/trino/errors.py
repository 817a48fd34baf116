"""Errors in Trino's form: each of the gateway's codes under the name, number and kind that clients know."""

from gateway.errors import GatewayError

USER, INTERNAL, RESOURCES, EXTERNAL = "USER_ERROR", "INTERNAL_ERROR", "INSUFFICIENT_RESOURCES", "EXTERNAL"

NUMBERS: dict[str, tuple[int, str]] = {
    "GENERIC_USER_ERROR": (0, USER),
    "SYNTAX_ERROR": (1, USER),
    "USER_CANCELED": (3, USER),
    "PERMISSION_DENIED": (4, USER),
    "NOT_FOUND": (5, USER),
    "FUNCTION_NOT_FOUND": (6, USER),
    "NOT_SUPPORTED": (13, USER),
    "QUERY_REJECTED": (31, USER),
    "QUERY_TEXT_TOO_LARGE": (35, USER),
    "SCHEMA_NOT_FOUND": (45, USER),
    "TABLE_NOT_FOUND": (46, USER),
    "COLUMN_NOT_FOUND": (47, USER),
    "TYPE_MISMATCH": (58, USER),
    "AMBIGUOUS_NAME": (62, USER),
    "INVALID_COLUMN_REFERENCE": (63, USER),
    "EXPRESSION_NOT_AGGREGATE": (73, USER),
    "GENERIC_INTERNAL_ERROR": (65536, INTERNAL),
    "SERVER_SHUTTING_DOWN": (65545, INTERNAL),
    "GENERIC_INSUFFICIENT_RESOURCES": (131072, RESOURCES),
    "QUERY_QUEUE_FULL": (131074, RESOURCES),
    "EXCEEDED_TIME_LIMIT": (131075, RESOURCES),
    "GENERIC_EXTERNAL": (16777216, EXTERNAL),
}
"""Trino's numbers and kinds (io.trino.spi.StandardErrorCode); an external one is the first of the connectors' range."""

_DENIED, _UNSUPPORTED, _REJECTED, _INTERNAL = (
    "PERMISSION_DENIED",
    "NOT_SUPPORTED",
    "QUERY_REJECTED",
    "GENERIC_INTERNAL_ERROR",
)

NAMES: dict[str, str] = {
    "bad_request": "GENERIC_USER_ERROR",
    "bad_json": "GENERIC_USER_ERROR",
    "bad_encoding": "GENERIC_USER_ERROR",
    "too_large": _REJECTED,
    "not_found": "NOT_FOUND",
    "method_not_allowed": _UNSUPPORTED,
    "unsupported_option": _UNSUPPORTED,
    "idempotency_conflict": "GENERIC_USER_ERROR",
    "too_many_requests": "QUERY_QUEUE_FULL",
    "answer_expired": "NOT_FOUND",
    "unauthenticated": _DENIED,
    "forbidden": _DENIED,
    "two_persons": _DENIED,
    "not_a_member": _DENIED,
    "member_suspended": _DENIED,
    "member_conflict": _REJECTED,
    "name_reserved": _REJECTED,
    "sql_too_long": "QUERY_TEXT_TOO_LARGE",
    "sql_too_deep": _UNSUPPORTED,
    "sql_too_complex": "EXCEEDED_TIME_LIMIT",
    "sql_syntax": "SYNTAX_ERROR",
    "sql_not_select": _UNSUPPORTED,
    "unsupported_sql": _UNSUPPORTED,
    "unsupported_function": "FUNCTION_NOT_FOUND",
    "unsupported_on_engine": _UNSUPPORTED,
    "table_function": _UNSUPPORTED,
    "unknown_dataset": "SCHEMA_NOT_FOUND",
    "unknown_table": "TABLE_NOT_FOUND",
    "unknown_column": "COLUMN_NOT_FOUND",
    "ambiguous_name": "AMBIGUOUS_NAME",
    "lateral_alias": "INVALID_COLUMN_REFERENCE",
    "type_mismatch": "TYPE_MISMATCH",
    "not_grouped": "EXPRESSION_NOT_AGGREGATE",
    "raw_rows": _DENIED,
    "unit_key_released": _DENIED,
    "no_owner_equality": _DENIED,
    "join_not_private": _DENIED,
    "limit_below_measurement": _DENIED,
    "window_across_owners": _DENIED,
    "set_operation": _DENIED,
    "subquery": _DENIED,
    "distinct": _DENIED,
    "per_owner_aggregate": _DENIED,
    "aggregate_of_released": _DENIED,
    "float_key": _DENIED,
    "private_keys": _DENIED,
    "no_bounds": _DENIED,
    "too_many_cells": _REJECTED,
    "compliance_expired": _DENIED,
    "no_grant": _DENIED,
    "mode_not_served": _DENIED,
    "mode_not_granted": _DENIED,
    "purpose_not_granted": _DENIED,
    "jurisdiction_not_granted": _DENIED,
    "grant_not_valid": _DENIED,
    "grant_not_signed": _DENIED,
    "grant_not_open": "GENERIC_USER_ERROR",
    "cross_border_limit": "GENERIC_INSUFFICIENT_RESOURCES",
    "column_use": _DENIED,
    "epsilon_too_large": _REJECTED,
    "accuracy_not_predicted": _UNSUPPORTED,
    "accuracy_unreachable": _REJECTED,
    "budget_exhausted": "GENERIC_INSUFFICIENT_RESOURCES",
    "uses_exhausted": "GENERIC_INSUFFICIENT_RESOURCES",
    "spending_capped": "GENERIC_INSUFFICIENT_RESOURCES",
    "rate_limited": "QUERY_QUEUE_FULL",
    "too_many_running": "QUERY_QUEUE_FULL",
    "period_open": "GENERIC_USER_ERROR",
    "already_invoiced": "GENERIC_USER_ERROR",
    "meter_conflict": _INTERNAL,
    "policy_replaced": "GENERIC_USER_ERROR",
    "version_state": "GENERIC_USER_ERROR",
    "case_conflict": _REJECTED,
    "frozen": _DENIED,
    "query_stopped": _REJECTED,
    "grant_ended": _REJECTED,
    "query_cancelled": "USER_CANCELED",
    "query_failed": _INTERNAL,
    "dataset_suspended": "GENERIC_EXTERNAL",
    "buyer_suspended": _DENIED,
    "refresh_needed": "GENERIC_EXTERNAL",
    "engine_unavailable": "GENERIC_EXTERNAL",
    "overloaded": "QUERY_QUEUE_FULL",
    "not_ready": "GENERIC_EXTERNAL",
    "shutting_down": "SERVER_SHUTTING_DOWN",
    "internal": _INTERNAL,
    "policy_invalid": "GENERIC_USER_ERROR",
    "settings_invalid": "GENERIC_USER_ERROR",
    "store_outdated": _INTERNAL,
    "store_unavailable": "GENERIC_EXTERNAL",
    "store_rolled_back": _INTERNAL,
    "store_fenced": "GENERIC_EXTERNAL",
    "log_corrupt": _INTERNAL,
}
"""The gateway's codes; a test holds that each has a name."""


def trino_error(error: GatewayError) -> dict[str, object]:
    """Return an error as a page of results holds it: the gateway's code and hint stand in the message."""
    name = NAMES[error.code]
    number, kind = NUMBERS[name]
    message = f"{error.code}: {error.detail}" + (f" {error.hint}" if error.hint else "")
    made: dict[str, object] = {"message": message, "errorCode": number, "errorName": name, "errorType": kind}
    if error.position is not None:
        where = {"lineNumber": error.position.line, "columnNumber": error.position.column}
        made["message"] = f"line {error.position.line}:{error.position.column}: {message}"
        made["errorLocation"] = where
    made["failureInfo"] = {
        "type": f"io.trino.spi.TrinoException: {name}",
        "message": made["message"],
        "suppressed": [],
        "stack": [],
        **({"errorLocation": made["errorLocation"]} if error.position is not None else {}),
    }
    return made
