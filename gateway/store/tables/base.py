"""What all tables share."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()

Sequence = BigInteger().with_variant(Integer, "sqlite")
"""64 bits everywhere; SQLite counts up only a column that it calls INTEGER."""
