"""Imported once, by the process that gateways of tests are forked from: the code of a gateway and of its workers.

Nothing here does anything with it, and what is loaded is left alone by collections, as in the workers' fork server.
"""

import gc

import gateway.app.running
import gateway.cli.main
import gateway.engines.duckdb_worker
import gateway.engines.finishing
import gateway.planning_worker
import gateway.workers.forkserver  # noqa: F401 - loading is all that is wanted

gc.collect()
gc.freeze()
