"""PostgreSQL with row locks: reservations a second on one hot row, and spread over many rows.

What a shop would do instead: in one transaction an UPDATE that reserves one piece if it is there, and an INSERT
of the reservation. PostgreSQL's own defaults, so each commit is on disk (fsync and synchronous_commit on);
pgbench over loopback TCP with 32 clients and prepared statements. Afterwards the sum of what is reserved must
be the number of reservations, and of transactions.

    python -m benchmarks.peers.postgres_hot_row --seconds 10
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass

from benchmarks.peers import measure
from benchmarks.peers.postgres_cluster import DATABASE, Server, UnavailableError, server

PEER = "postgres"
_SPREAD_ROWS = 10_000
_PIECES = 1_000_000_000
_SPARE_S = 60.0

_SCRIPT = """\\set sku random(1, :rows)
\\set order random(1, 1000000000)
BEGIN;
UPDATE stock SET reserved = reserved + 1 WHERE sku = :sku AND on_hand - reserved >= 1;
INSERT INTO reservation (sku, order_id, qty) VALUES (:sku, :order, 1);
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Transactions a second, how many, and their mean latency in ms."""

    tps: float
    transactions: int
    latency_ms: float


def read_outcome(text: str) -> Outcome:
    """What pgbench reports. Raises RuntimeError if transactions failed or a figure is missing."""
    tps = re.search(r"^tps = ([0-9.]+) \(without initial connection time\)", text, re.MULTILINE)
    transactions = re.search(r"^number of transactions actually processed: (\d+)", text, re.MULTILINE)
    latency = re.search(r"^latency average = ([0-9.]+) ms", text, re.MULTILINE)
    failed = re.search(r"^number of failed transactions: (\d+)", text, re.MULTILINE)
    if tps is None or transactions is None or latency is None:
        raise RuntimeError(f"pgbench reported no figures:\n{text}")
    if failed is not None and int(failed[1]):
        raise RuntimeError(f"{failed[1]} of pgbench's transactions failed:\n{text}")
    return Outcome(float(tps[1]), int(transactions[1]), float(latency[1]))


def reserve(postgres: Server, rows: int, clients: int, threads: int, seconds: int) -> Outcome:
    """Reserves in fresh tables of `rows` SKUs. Raises RuntimeError if the tables don't add up afterwards."""
    postgres.ask(
        "DROP TABLE IF EXISTS reservation, stock;"
        "CREATE TABLE stock (sku integer PRIMARY KEY, on_hand bigint NOT NULL, reserved bigint NOT NULL);"
        "CREATE TABLE reservation (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " sku integer NOT NULL, order_id bigint NOT NULL, qty integer NOT NULL);"
        f"INSERT INTO stock SELECT sku, {_PIECES}, 0 FROM generate_series(1, {rows}) AS sku;"
    )
    postgres.ask("VACUUM ANALYZE stock")
    script = postgres.write_script("reserve.sql", _SCRIPT)
    text = postgres.run(
        "pgbench",
        *("-n", "-M", "prepared", "-f", str(script), "-D", f"rows={rows}"),
        *("-c", str(clients), "-j", str(threads), "-T", str(seconds), DATABASE),
        timeout_s=seconds + _SPARE_S,
    )
    outcome = read_outcome(text)
    reserved = int(postgres.ask("SELECT sum(reserved) FROM stock"))
    reservations = int(postgres.ask("SELECT count(*) FROM reservation"))
    if not reserved == reservations == outcome.transactions:
        raise RuntimeError(
            f"The tables don't add up: {reserved} pieces reserved, {reservations} reservations, "
            f"{outcome.transactions} transactions."
        )
    return outcome


def main() -> None:
    """Measures both in one private server and prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2, help="threads of pgbench")
    parser.add_argument("--seconds", type=int, default=10, help="for each of the two")
    parser.add_argument("--synchronous-commit", choices=["on", "off"], default="on")
    args = parser.parse_args()
    measure.end_on_sigterm()
    try:
        with server(synchronous_commit=args.synchronous_commit) as postgres:
            hot = reserve(postgres, 1, args.clients, args.threads, args.seconds)
            spread = reserve(postgres, _SPREAD_ROWS, args.clients, args.threads, args.seconds)
            version = postgres.version
    except UnavailableError as error:
        measure.leave_out(PEER, str(error))
    print(
        json.dumps(
            {
                "peer": PEER,
                "version": version,
                "clients": args.clients,
                "synchronous_commit": args.synchronous_commit,
                "hot_tps": round(hot.tps, 1),
                "hot_latency_ms": hot.latency_ms,
                "spread_rows": _SPREAD_ROWS,
                "spread_tps": round(spread.tps, 1),
                "spread_latency_ms": spread.latency_ms,
                "reservations": hot.transactions + spread.transactions,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
