"""readme_calls.py README PORT: run the README's calls and compare what they answer.

Between the two markers, the sh blocks run in one shell; a json block is what the sh block before
it must print. Ids, times and tokens may differ; in an expected string, … stands for anything.
"""

# ruff: noqa: T201  its output is its purpose

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MARKED = re.compile(r"<!-- ci:calls -->(.*?)<!-- /ci:calls -->", re.DOTALL)
BLOCK = re.compile(r"^```(sh|bash|json)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DIFFERS = re.compile(r"^(id|.*_id|.*_at|.*_by|token|.*_token)$")


def differences(expected: object, actual: object, where: str = "$") -> list[str]:
    """One line for each place where `actual` is not what was expected."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        lines = [f"{where}: {key!r} is missing" for key in expected.keys() - actual.keys()]
        lines += [
            f"{where}: {key!r} is not in the README" for key in actual.keys() - expected.keys()
        ]
        for key in expected.keys() & actual.keys():
            if not DIFFERS.match(key) or (expected[key] is None) != (actual[key] is None):
                lines += differences(expected[key], actual[key], f"{where}.{key}")
        return lines
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return [f"{where}: {len(actual)} elements, not {len(expected)}"]
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for n, (e, a) in pairs for line in differences(e, a, f"{where}[{n}]")]
    if isinstance(expected, str) and isinstance(actual, str) and "…" in expected:
        pattern = ".*".join(map(re.escape, expected.split("…")))
        return [] if re.fullmatch(pattern, actual, re.DOTALL) else [f"{where}: {actual!r}"]
    # The text tells 1 from 1.0 and from true, which Python's == does not.
    same = json.dumps(expected) == json.dumps(actual)
    return [] if same else [f"{where}: {json.dumps(actual)}, not {json.dumps(expected)}"]


def run_blocks(blocks: list[str]) -> list[str]:
    """What each block printed; one shell runs them all and stops at the first that fails."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / str(number) for number in range(len(blocks))]
        script = "".join(
            f"{{\n{block}\n}} >'{output}'\n" for block, output in zip(blocks, outputs, strict=True)
        )
        shell = ["/bin/bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(shell, check=False)  # noqa: S603  the README's own calls
        printed = [output.read_text() for output in outputs if output.exists()]
        if done.returncode:
            last = len(printed) - 1
            sys.exit(f"the README's call failed:\n{blocks[last]}\nit printed: {printed[last]}")
        return printed


def main(readme: str, port: str) -> None:
    """Exit with a message at the first call that answers otherwise."""
    text = "".join(MARKED.findall(Path(readme).read_text()))
    text = re.sub(r"(127\.0\.0\.1|localhost):8000", f"127.0.0.1:{port}", text)
    blocks = BLOCK.findall(text)
    shells = [body for kind, body in blocks if kind != "json"]
    if not shells:
        sys.exit(f"{readme} has no calls between <!-- ci:calls --> and <!-- /ci:calls -->")
    printed = iter(run_blocks(shells))
    compared, call, output = 0, "", ""
    for kind, body in blocks:
        if kind != "json":
            call, output = body, next(printed)
            continue
        try:
            wrong = differences(json.loads(body), json.loads(output))
        except json.JSONDecodeError as error:
            wrong = [f"no JSON ({error}): {output}"]
        if wrong:
            sys.exit("\n".join(["the README is wrong about", call, *wrong]))
        compared += 1
    print(f"{len(shells)} calls of the README run, {compared} answers as it says")


if __name__ == "__main__":
    main(*sys.argv[1:])
