"""Servers that tests start from Debian's packages."""

import os
import shutil
import subprocess

import pytest


def find_program(name: str) -> str:
    """Return the program, installed by apt where this is root on Debian or Ubuntu; skips the test elsewhere."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which(name, path=path) is None:
        if os.getuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip(f"there is no {name}, and only root can install it by apt")
        install = (
            f"apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {name}"
        )
        done = subprocess.run(["sh", "-c", f"{install} {name}"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{name} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    found = shutil.which(name, path=path)
    assert found
    return found
