"""The one rule that makes a query provable: every private row has one owner (docs/PRIVACY.md, section 2).

A plan goes in; out comes what is measured, read and staged, with the owner's column carried through, or a refusal.
Nothing here looks at data, and no step relies on a declared fact for soundness: facts only pick tighter bounds.
"""

from gateway.privacy.ownership.analysis import analyse
from gateway.privacy.ownership.scan import key_columns

__all__ = ["analyse", "key_columns"]
