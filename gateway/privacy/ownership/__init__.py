"""The one rule that makes a query provable: every private row has one owner (docs/PRIVACY.md, section 2).

A plan goes in; out comes what is measured, read and staged, with the owner's column carried through, or a refusal.
Nothing here looks at data. Facts that were worked out of declared ones only pick tighter bounds; two that the policy
declares are relied on as they stand: a chain's key has one row (anchors.py), a unit has one (scan.py).
"""

from gateway.privacy.ownership.analysis import analyse
from gateway.privacy.ownership.scan import key_columns, one_row_each

__all__ = ["analyse", "key_columns", "one_row_each"]
