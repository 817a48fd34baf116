"""A column does what its `use` in the policy says, and nothing else."""

from dataclasses import dataclass

from gateway.policy.model import Ask, Refusal


@dataclass(frozen=True, slots=True)
class ColumnUse:
    def check(self, ask: Ask) -> Refusal | None:
        """Refuse `column_use` at the first use that the policy does not list."""
        for access in ask.accesses:
            table = ask.dataset.table(access.table)
            column = table.column(access.column) if table is not None else None
            if column is None or access.use not in column.use:
                detail = f"The policy does not let {access.table}.{access.column} be used to {access.use.value}."
                allowed = ", ".join(sorted(use.value for use in column.use)) if column is not None else ""
                hint = f"It may be used to: {allowed}." if allowed else "Leave the column out."
                return Refusal("column_use", detail, hint, access.position, "column_use")
        return None
