"""Ask pip-audit about every pinned package; exit code 1 for known faults alone. What cannot be asked is said, not failed.

pip-audit lives in an environment of its own, so that nothing it needs moves a pin.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"


def main(folder: Path) -> int:
    """Audit the lock file with the pip-audit in ``folder``, which is installed there first."""
    tool = folder / "bin" / "pip-audit"
    if not tool.exists():
        done = run(sys.executable, "-m", "venv", str(folder))
        if done.returncode == 0:
            done = run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "pip-audit")
        if done.returncode != 0:
            return skipped("pip-audit cannot be installed", done.stderr)
    options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    done = run(str(tool), "--requirement", str(LOCK), *options)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return skipped("the list of known faults cannot be reached", done.stderr)
    return verdict(packages)


def verdict(packages: list[dict]) -> int:
    """Say what was found."""
    faulty = [package for package in packages if package.get("vulns")]
    unknown = [package for package in packages if "skip_reason" in package]
    for package in faulty:
        for fault in package["vulns"]:
            fixed = ", ".join(fault["fix_versions"]) or "no version"
            print(f"audit: {package['name']} {package['version']}: {fault['id']}, mended in {fixed}")
    told = f"audit: {len(packages) - len(unknown)} packages asked about, {len(faulty)} with known faults"
    print(told + (f"; {len(unknown)} could not be asked about (skipped)" if unknown else ""))
    return 1 if faulty else 0


def skipped(what: str, why: str) -> int:
    """Nothing is known, so nothing fails."""
    last = (why.strip().splitlines() or ["no reason given"])[-1]
    print(f"audit: skipped, {what}: {last}")
    return 0


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours, quietly."""
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".venv" / "audit"))
