"""Rebuild `cdnow.csv.xz` from the CDNOW_master.txt that the wheel lifetimes 0.11.3 carries.

The only script that ever reads the source file; the demo reads the compact copy alone. Usage:
`python -m pip download lifetimes==0.11.3 --no-deps`, then `python policies/data/rebuild.py FILE.whl`.
"""

# ruff: noqa: INP001 - a script beside the data, not part of a package

import hashlib
import lzma
import sys
import zipfile
from pathlib import Path

MEMBER = "lifetimes/datasets/CDNOW_master.txt"
SOURCE_SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
HEADER = "customer_id,purchased_on,quantity,amount"
TARGET = Path(__file__).with_name("cdnow.csv.xz")


def compact(source: str) -> str:
    """Return the log as CSV in the source's own order: the same four facts, ids and dates made plain."""
    lines = [HEADER]
    for line in source.splitlines()[1:]:
        customer, day, quantity, amount = line.split()
        lines.append(f"{int(customer)},{day[:4]}-{day[4:6]}-{day[6:]},{int(quantity)},{amount}")
    return "\n".join(lines) + "\n"


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: rebuild.py lifetimes-0.11.3-py3-none-any.whl\n")
        return 2
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        source = wheel.read(MEMBER)
    if hashlib.sha256(source).hexdigest() != SOURCE_SHA256:
        sys.stderr.write(f"{MEMBER} is not the file that PROVENANCE.md describes\n")
        return 1
    text = compact(source.decode("ascii")).encode("ascii")
    TARGET.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    sys.stdout.write(f"{TARGET.name}: sha256 of the text {hashlib.sha256(text).hexdigest()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
