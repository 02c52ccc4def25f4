#!/bin/bash
# run.sh: `make bench`. A lab of 12 hosts of its own (with Python, which Ansible
# needs on them), the measurements, and bench/README.md with their figures.
#   BENCH_RUNS  runs of each measurement, at least 5 (default 5)
#   BENCH_ONLY  a regular expression of measurements (NoOp|Upload|Deploy|Restart)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
dir=$PWD/.lab/bench
lab() { LAB_ID=b LAB_NET=10.80.0 LAB_DIR=$dir LAB_EXTRA=python3 examples/lab/lab.sh "$@"; }

lab need ansible-core "$@"
trap 'lab down' EXIT
trap 'exit 130' INT TERM HUP
lab up 12 "$@"
GHADEPLOY_LAB=$dir GHADEPLOY_BENCH=$PWD/bench/README.md \
  go test -count=1 -timeout 120m -v -run "${BENCH_ONLY:-.}" ./bench
