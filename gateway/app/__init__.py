"""The composition root: the only place that wires parts together. Nothing is loaded before it is named."""
