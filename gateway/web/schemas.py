"""JSON Schemas of what the API takes and gives, by name. What is sent is strict; what is given may have more in it."""

from typing import Any

from gateway.sql.limits import DIALECTS
from gateway.web.bodies import (
    ApplicationBody,
    CapBody,
    CaseBody,
    FindingBody,
    FreezeBody,
    GrantRequestBody,
    KeyBody,
    KeyRevocationBody,
    ModelBody,
    ProposalBody,
    ReasonBody,
    ReplayBody,
    ReviewBody,
    RevocationBody,
    SignedTermsBody,
    SuspensionBody,
    TopUpBody,
    VersionBody,
    WithdrawalBody,
)
from gateway.web.delivery import MAX_WAIT_S, ON_TIMEOUT, Format

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
FREE: Schema = {"type": "object"}


def given(**members: Schema) -> Schema:
    """Return the schema of a document that has these members, and may have more."""
    return {"type": "object", "properties": members, "required": list(members)}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def every(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def inlined(schema: Schema) -> Schema:
    """Return a model's schema with what it defines put in place of its references."""
    named = schema.pop("$defs", {})

    def put(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return put(named[part["$ref"].rpartition("/")[2]])
            return {name: put(value) for name, value in part.items()}
        return [put(value) for value in part] if isinstance(part, list) else part

    made: Schema = put(schema)
    return made


_TERMS: Schema = nullable(FREE)
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\x00-\\x1f\\x7f]+$"}
_ABOVE_ZERO: Schema = {"type": "number", "exclusiveMinimum": 0}
_CONFIDENCE: Schema = {"type": "number", "minimum": 0.5, "maximum": 0.9999}
_ACCURACY: Schema = {
    "type": "object",
    "properties": {"half_width": _ABOVE_ZERO, "relative": {**_ABOVE_ZERO, "maximum": 10}, "confidence": _CONFIDENCE},
    "oneOf": [{"required": ["half_width"]}, {"required": ["relative"]}],
    "additionalProperties": False,
    "description": "the error to reach, in place of epsilon",
}
_WAITING: Schema = {
    "wait_timeout": {"type": "number", "minimum": 0, "maximum": MAX_WAIT_S},
    "on_wait_timeout": {"type": "string", "enum": list(ON_TIMEOUT), "default": "continue"},
}
_WAITS: Schema = {"on_wait_timeout": ["wait_timeout"]}
_QUESTION: Schema = {
    "type": "object",
    "properties": {
        "sql": {"type": "string", "minLength": 1, "description": "one SELECT"},
        "dataset": {**_NAME, "description": "may be left out where you have a grant on one alone"},
        "purpose": {**_NAME, "description": "where the grant asks for one that the token does not state"},
        "epsilon": {**_ABOVE_ZERO, "maximum": 10**9, "description": "what to spend; the policy's default if neither"},
        "accuracy": _ACCURACY,
        "dialect": {"type": "string", "enum": list(DIALECTS), "default": "duckdb"},
        "row_limit": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "format": {"type": "string", "enum": list(Format), "default": "json"},
        "intervals": {"type": "boolean", "default": False},
        **_WAITING,
        "sandbox": {"type": "boolean", "default": False, "description": "ask synthetic rows, for nothing"},
    },
    "required": ["sql"],
    "not": {"required": ["epsilon", "accuracy"]},
    "dependentRequired": _WAITS,
    "additionalProperties": False,
}

_COLUMN = given(name=TEXT, type=TEXT)
_PRICE = given(amount=TEXT, currency=TEXT, plan=nullable(TEXT), version=nullable(TEXT))
_VERSIONS = given(policy=TEXT, data=TEXT)
_STATES = ["RUNNING", "FINISHED", "FAILED", "CANCELLED", "STOPPED"]
_STATE = given(query_id=TEXT, state={"type": "string", "enum": _STATES})
_STEP = nullable(given(by=TEXT, at=TEXT))
_POLICY_VERSION = {
    "dataset": TEXT,
    "version": TEXT,
    "state": {"enum": ["draft", "submitted", "reviewed", "published", "withdrawn"]},
    "served": FLAG,
    "manifest": TEXT,
    **dict.fromkeys(("proposed", "submitted", "reviewed", "published", "withdrawn"), _STEP),
    "review": nullable(given(by=TEXT, approved=FLAG, findings=TEXT, valid_until=nullable(TEXT), at=TEXT)),
}
_POSITION = given(line=WHOLE, column=WHOLE)

_ALERT = given(
    alert_id=TEXT,
    kind=TEXT,
    dataset=nullable(TEXT),
    subjects=every(TEXT),
    severity=TEXT,
    words=TEXT,
    figures=FREE,
    at=TEXT,
    seen_by=nullable(TEXT),
    seen_at=nullable(TEXT),
)

_MODEL = ModelBody.model_json_schema()

SCHEMAS: dict[str, Schema] = {
    "Question": _QUESTION,
    "Answer": given(
        query_id=TEXT,
        state={"const": "FINISHED"},
        columns=every(_COLUMN),
        rows=every({"type": "array"}),
        intervals=given(confidence=NUMBER, columns=FREE),
        privacy=given(rho=NUMBER, delta=NUMBER, stored=FLAG, bounds=FREE),
        versions=_VERSIONS,
        notices=every(TEXT),
        price=_PRICE,
        receipt=nullable(given(log_index=WHOLE, leaf=TEXT)),
    ),
    "Quote": given(
        state={"const": "QUOTED"},
        columns=every(_COLUMN),
        privacy=FREE,
        price=_PRICE,
        expected=FREE,
        levels=every(FREE),
        cells=every(FREE),
        proposal=nullable(FREE),
        measured=every(FREE),
        reasons=FREE,
        versions=_VERSIONS,
        notices=every(TEXT),
    ),
    "ModelAsked": _MODEL | {"properties": _MODEL["properties"] | _WAITING, "dependentRequired": _WAITS},
    "Model": given(
        query_id=TEXT,
        state={"const": "FINISHED"},
        kind=TEXT,
        confidence=NUMBER,
        intervals_cover={"const": "noise"},
        clear=FLAG,
        privacy=FREE,
        versions=_VERSIONS,
        price=_PRICE,
        notices=every(TEXT),
    ),
    "ModelQuote": given(state={"const": "QUOTED"}, sql=TEXT, privacy=FREE, price=_PRICE),
    "Running": given(query_id=TEXT, state={"const": "RUNNING"}, stage=nullable(TEXT)),
    "State": _STATE,
    "Query": {**_STATE, "properties": {**_STATE["properties"], "stage": nullable(TEXT), "answer": ref("Answer")}},
    "PastQueries": given(queries=every(given(query_id=TEXT, dataset=TEXT, state=TEXT, charged_at=TEXT))),
    "Text": given(query_id=TEXT, sql=TEXT),
    "Receipt": FREE,
    "Datasets": given(datasets=every(given(name=TEXT, title=TEXT, provider=TEXT, state=TEXT))),
    "Dataset": given(name=TEXT, title=TEXT, provider=TEXT, versions=FREE, state=TEXT),
    "Contract": given(apiVersion=TEXT, kind={"const": "DataContract"}, id=TEXT, version=TEXT, status=TEXT),
    "RunningQueries": given(
        queries=every(
            {
                **given(query_id=TEXT, buyer=TEXT, charged_at=TEXT, abandoned=FLAG),
                "description": "`engine`, where this process works on it: elapsed_ms, and what the engine tells",
            }
        )
    ),
    "Refreshed": given(dataset=TEXT, data_version=TEXT),
    "Budget": given(datasets=every(given(dataset=TEXT, levels=every(FREE), share_left=NUMBER, queries_left=WHOLE))),
    "Spending": given(spending=every(FREE)),
    "TopUp": given(topup_id=TEXT, account=TEXT, state=TEXT),
    "TopUps": given(topups=every(ref("TopUp"))),
    "Papers": FREE,
    "Cap": CapBody.model_json_schema(),
    "Freeze": FreezeBody.model_json_schema(),
    "Frozen": given(scope=TEXT, name=TEXT, frozen=FLAG),
    "Freezes": given(freezes=every(given(scope=TEXT, name=TEXT, reason=TEXT, by=TEXT, at=TEXT))),
    "Application": inlined(ApplicationBody.model_json_schema()),
    "Suspension": SuspensionBody.model_json_schema(),
    "Member": given(member_id=TEXT, kind=TEXT, organisation=TEXT, subject=nullable(TEXT), legal_name=TEXT, state=TEXT),
    "Members": given(members=every(ref("Member")), cursor=nullable(TEXT)),
    "Proposal": ProposalBody.model_json_schema(),
    "VersionNamed": VersionBody.model_json_schema(),
    "Review": ReviewBody.model_json_schema(),
    "Withdrawal": WithdrawalBody.model_json_schema(),
    "Version": given(**_POLICY_VERSION),
    "VersionText": given(**_POLICY_VERSION, policy=TEXT),
    "VersionEnded": given(**_POLICY_VERSION, ended=WHOLE),
    "Versions": given(versions=every(ref("Version")), cursor=nullable(TEXT)),
    "Replay": inlined(ReplayBody.model_json_schema()),
    "Replayed": given(dataset=TEXT, to=TEXT, counts=FREE, questions=every(FREE)),
    "Certificate": FREE,
    "Difference": given(dataset=TEXT, to=TEXT, differences=every(given(path=TEXT, words=TEXT))),
    "CaseOpening": CaseBody.model_json_schema(),
    "Finding": FindingBody.model_json_schema(),
    "Case": given(case_id=TEXT, query_id=TEXT, dataset=TEXT, buyer=TEXT, reason=TEXT, state=TEXT),
    "Cases": given(cases=every(ref("Case")), cursor=nullable(TEXT)),
    "CaseEvidence": given(case=ref("Case"), bundle=FREE, stops=every(FREE)),
    "GrantRequest": inlined(GrantRequestBody.model_json_schema()),
    "SignedTerms": inlined(SignedTermsBody.model_json_schema()),
    "Reason": ReasonBody.model_json_schema(),
    "Grant": given(grant_id=TEXT, dataset=TEXT, provider=TEXT, organisation=TEXT, state=TEXT, asked=FREE, terms=_TERMS),
    "Grants": given(grants=every(ref("Grant")), cursor=nullable(TEXT)),
    "PublicKey": KeyBody.model_json_schema(),
    "KeyRevocation": KeyRevocationBody.model_json_schema(),
    "SigningKey": given(organisation=TEXT, key_id=TEXT, public_key=TEXT, state=TEXT),
    "SigningKeys": given(keys=every(ref("SigningKey"))),
    "Crossings": given(crossings=every(given(provider=TEXT, country=TEXT, year=WHOLE, units=WHOLE))),
    "Alert": _ALERT,
    "Alerts": given(alerts=every(ref("Alert")), cursor=nullable(TEXT)),
    "Revocation": RevocationBody.model_json_schema(),
    "TopUpProposal": TopUpBody.model_json_schema(),
    "Cosignature": {
        "type": "object",
        "properties": {"tree_size": {"type": "integer", "minimum": 1}, "line": {"type": "string", "maxLength": 1024}},
        "required": ["tree_size", "line"],
        "additionalProperties": False,
    },
    "Statement": {"type": "string", "minLength": 1, "description": "SQL in Trino's dialect, or a command"},
    "Page": given(id=TEXT, infoUri=TEXT, stats=FREE, warnings=every(FREE)),
    "Server": given(nodeVersion=given(version=TEXT), environment=TEXT, coordinator=FLAG, starting=FLAG),
    "TrinoQuery": given(queryId=TEXT, state=TEXT),
    "Problem": {
        **given(type=TEXT, title=TEXT, status=WHOLE, code=TEXT, kind=TEXT, detail=TEXT, hint=TEXT),
        "description": "RFC 9457; docs/errors.md lists the codes",
    },
}
SCHEMAS["Problem"]["properties"]["position"] = _POSITION
