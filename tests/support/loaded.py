"""Imported once, by the process that gateways of tests are forked from: the code of a gateway and of its workers.

Nothing here does anything with it but read the commands, and what is loaded is left alone by collections, as in the workers' fork server.
"""

import gc

import typer.main

import gateway.app.running
import gateway.cli.main
import gateway.engines.duckdb_worker
import gateway.engines.finishing
import gateway.planning_worker
import gateway.workers.forkserver

COMMAND = typer.main.get_command(gateway.cli.main.app)
"""The tree of all commands: reading it from their signatures takes as long as all else that a start takes."""

gc.collect()
gc.freeze()
