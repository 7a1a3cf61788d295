#!/usr/bin/env bash
# notebooks.sh PROGRAM NOTEBOOK - runs a notebook from top to bottom on a log and a comparison made for
# it, in a scratch folder; the pictures it draws must be there. Exit 77 = skipped: no Jupyter on this machine.
set -euo pipefail

program=$(realpath -- "$1")
notebook=$(realpath -- "$2")
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
python=/usr/bin/python3

if ! "$python" -c 'import nbconvert, ipykernel, matplotlib, pandas' 2>/dev/null; then
    printf 'SKIPPED: needs python3-pandas python3-matplotlib jupyter-nbconvert python3-ipykernel\n'
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
# Nothing of the user's own set-up, and nothing left in it.
export HOME=$scratch IPYTHONDIR=$scratch/ipython JUPYTER_CONFIG_DIR=$scratch/config
export JUPYTER_DATA_DIR=$scratch/data JUPYTER_RUNTIME_DIR=$scratch/runtime MPLCONFIGDIR=$scratch/mpl
export PYDEVD_DISABLE_FILE_VALIDATION=1
export SGLSIM_LOG=$scratch/run.db SGLSIM_REPORT=$scratch/report.json

"$program" replay "$root/traces/samples/sglang-3-workers.csv" --policy marginal_utility --quiet \
    --log "$SGLSIM_LOG" >/dev/null
"$program" compare "$root/traces/samples/sglang-3-workers.csv" --policy round_robin \
    --policy marginal_utility --seeds 6 --quiet -o "$SGLSIM_REPORT" >/dev/null
"$python" -m nbconvert --to notebook --execute --log-level WARN --ExecutePreprocessor.timeout=120 \
    --ExecutePreprocessor.kernel_name=python3 --output-dir "$scratch" --output executed "$notebook"
pictures=$(grep -c '"image/png"' "$scratch/executed.ipynb")
printf '%s: executed, %d pictures\n' "$(basename -- "$notebook")" "$pictures"
[ "$pictures" -ge 3 ]
