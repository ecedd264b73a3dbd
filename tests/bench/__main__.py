"""`python -m tests.bench [PART…]`: measure, and print each figure beside its floor and its target."""

import importlib
import sys

from tests.bench.measurement import console, print_measurements

BENCHMARKS = (
    "snapshot_writes", "history_import", "snapshot", "startup", "page_bytes", "cadence", "refresh_plan", "sign_in",
    "worker_throughput", "sweep", "price", "floods", "questions_of_readers", "citus_questions", "citus_refresh",
    "reruns", "navigation", "storage_cost", "scale_model",
)  # fmt: skip


def main(wanted: list[str]) -> None:
    for part in wanted or BENCHMARKS:
        if part not in BENCHMARKS:
            sys.exit(f"there is no part {part!r}; the parts are {', '.join(BENCHMARKS)}")
        module = importlib.import_module(f"tests.bench.{part}")
        console.print(f"\n[bold]{module.__doc__.strip().splitlines()[0]}[/bold]")
        print_measurements(module.run())


if __name__ == "__main__":  # a process that is spawned reads this module, too
    main(sys.argv[1:])
