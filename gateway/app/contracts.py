"""Files of other standards beside policies: a data contract that is written of one, a dbt file that is read for one."""

import io
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gateway.app.offline import inspect_policy
from gateway.app.policies import read_policy
from gateway.catalog.build import build
from gateway.classification.model import Facts
from gateway.errors import GatewayError
from gateway.standards import dbt
from gateway.standards.odcs import contract


def written(file: Path, *, as_json: bool) -> str:
    """Return the data contract of a policy file as text. Raises GatewayError as `gateway policy check` does."""
    document, lines = read_policy(file)
    found = inspect_policy(document, file.parent)
    dataset = build(document, found, data_version="unpublished", base=file.parent, lines=lines)
    made = contract(dataset, None, published=False)
    return json.dumps(made, ensure_ascii=False, indent=2) + "\n" if as_json else _yaml(made)


def _yaml(tree: Any) -> str:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.allow_unicode = True
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    writer.dump(tree, text)
    return text.getvalue()


def read_dbt(file: Path) -> Facts:
    """Return what a dbt properties file says. Raises GatewayError `policy_invalid` where it is none."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise GatewayError("policy_invalid", f"{file.name} is not UTF-8 text.", "Save the file as UTF-8.") from None
    except OSError as error:
        raise GatewayError(
            "policy_invalid", f"{file.name} cannot be read: {error.strerror}.", "Name another."
        ) from None
    return dbt.facts(text, file.name)
