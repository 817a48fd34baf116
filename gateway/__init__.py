"""The controlled query gateway: SQL in, bounded, noised, charged and receipted aggregates out."""

__version__ = "0.1.0"
