# shellcheck shell=bash
# common.sh - what the checks share. A check takes the root of a source tree first, prints one line
# "file:line: what (what to do)" for each fault, and exits 1 when there was one.

set -euo pipefail
export LC_ALL=C

check_name=$(basename -- "${BASH_SOURCE[1]}" .sh)
fault_count=0

fault()
{
    printf '%s\n' "$*"
    fault_count=$((fault_count + 1))
}

# Counts the faults that an awk or grep pipeline printed: `faults < <(command)`.
faults()
{
    local line

    while IFS= read -r line; do
        fault "$line"
    done
}

# finish COUNT NOUN: the verdict. Having looked at nothing is a fault too.
finish()
{
    [ "$1" -gt 0 ] || fault "$check_name: no $2 to look at"
    if [ "$fault_count" -gt 0 ]; then
        printf '%s: %d faults in %d %s\n' "$check_name" "$fault_count" "$1" "$2"
        exit 1
    fi
    printf '%s: %d %s, no fault\n' "$check_name" "$1" "$2"
}

# The folders that hold our code.
code_folders=(core traces sim live analysis cli tests)

# list_code ROOT PATTERN...: files of the code folders with such names, relative to ROOT, sorted.
list_code()
{
    local root=$1 pattern folder
    local -a names=(-false) present=()

    shift
    for pattern in "$@"; do
        names+=(-o -name "$pattern")
    done
    for folder in "${code_folders[@]}"; do
        [ ! -d "$root/$folder" ] || present+=("$folder")
    done
    [ ${#present[@]} -eq 0 ] || (cd -- "$root" && find "${present[@]}" -type f \( "${names[@]}" \) | sort)
}
