"""How long `hilbench publish` takes, how much memory it needs, and how fast the largest table answers a filter.

    python benchmarks/publish.py [RECORDS] [FOLDER]     # 100000, made up in FOLDER on the first time

Prints numbers and asserts nothing. The browser's part needs Chromium and playwright, and is left out without.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.generated_records import BOARDS, FRAMEWORKS, write  # noqa: E402
from tests.site_browser import chromium  # noqa: E402

TASKS = [f"task-{index}" for index in range(20)]
VARIANTS = [*FRAMEWORKS, *(f"external:kit=k{index}" for index in range(21))]
FILTER = """(words) => {
  const input = document.getElementById("row-filter");
  const started = performance.now();
  input.value = words;
  input.dispatchEvent(new Event("input"));
  document.body.offsetHeight;
  return performance.now() - started;
}"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp(prefix="hilbench-publish-"))
    store, site = place / f"records-{count}", place / f"site-{count}"
    if not store.is_dir():
        started = time.monotonic()
        write(store, count, tasks=TASKS, boards=BOARDS, frameworks=VARIANTS)
        print(f"made {count} records in {time.monotonic() - started:.1f} s")
    started = time.monotonic()
    command = [str(Path(sys.executable).with_name("hilbench")), "publish", str(store), "-o", str(site)]
    subprocess.run(command, check=True)
    seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    files = [path for path in site.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"published in {seconds:.1f} s, {count / seconds:.0f} records a second")
    print(
        f"processor time {used.ru_utime + used.ru_stime:.1f} s; the largest process had {used.ru_maxrss / 1024:.0f} MB"
    )
    print(f"the site: {len(files)} files, {size:.0f} MB")
    with chromium() as browser:
        if browser is None:
            print("no Chromium: the filter was not timed")
            return
        page = browser.new_page()
        page.goto((site / "rows.html").as_uri())
        page.wait_for_selector("#all-rows tbody tr")
        for words in ("t", "task-7", "tvm codegen", "verified m7", ""):
            print(f"filter '{words}': {page.evaluate(FILTER, words):.1f} ms")


if __name__ == "__main__":
    main()
