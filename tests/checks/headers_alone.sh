#!/usr/bin/env bash
# headers_alone.sh ROOT INCLUDE_FOLDER COMPILER FLAG... - each header compiles by itself, and twice,
# with the house warnings as errors. INCLUDE_FOLDER holds the generated headers.
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1
generated=$2
compiler=$3
shift 3

messages=$(mktemp)
trap 'rm -f -- "$messages"' EXIT
count=0
while IFS= read -r header; do
    count=$((count + 1))
    # An include guard that is missing or copied shows at the second inclusion; a translation unit
    # may not be empty, hence the declaration.
    if ! printf '#include "%s"\n#include "%s"\nint headers_alone;\n' "$header" "$header" |
        "$compiler" -std=c17 -fsyntax-only -Werror "$@" -I"$root" -I"$generated" -x c - 2>"$messages"
    then
        fault "$header: does not compile alone: $(grep -m 1 -E 'error' "$messages")"
    fi
done < <(list_code "$root" '*.h')
finish "$count" headers
