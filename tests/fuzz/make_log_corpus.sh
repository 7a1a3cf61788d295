#!/usr/bin/env bash
# make_log_corpus.sh PROGRAM - makes corpus/log and corpus/log_csv of a few rows of our own sample: the
# same small run as a database with small pages and as an archive of CSV files (log_csv_fuzz.c).
#
# The build is part of a log, so what is committed was made once; make it anew when the log's format
# changes, for readers refuse another version at once.
set -euo pipefail

program=$(realpath -- "$1")
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd -- "$scratch"

head -n 5 "$here/../../traces/samples/sglang-3-workers.csv" >trace.csv
"$program" replay trace.csv --policy marginal_utility:min_history=2,window_size=4 --log run.db --quiet >said
sqlite3 run.db 'PRAGMA page_size = 512; VACUUM'
"$program" verify run.db >said
cp -- run.db "$here/corpus/log/small"
"$program" convert run.db run/ >said
: >archive
for file in log.txt run.csv worker.csv request.csv input.csv decision.csv candidate.csv outcome.csv \
    gap.csv; do
    printf '@%s\n' "$file" >>archive
    cat -- "run/$file" >>archive
done
cp -- archive "$here/corpus/log_csv/small"
wc -c -- "$here"/corpus/log*/*
