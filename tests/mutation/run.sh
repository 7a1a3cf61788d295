#!/usr/bin/env bash
# run.sh TREE [NAME...] - faults put into the batching engine on purpose: does a test notice each?
#
# mutations.txt beside this script lists them. Each is a text that occurs once in one file, and what
# takes its place. TREE is a copy of the sources, made and built here; for each mutation it is
# changed, built, put to the suites below and changed back. A mutation is caught when a suite fails,
# crashes or does not end. Names given run only these. Exit status 1: one was not caught.
#
# It takes a minute or two, so it is no part of the tests: ./dev mutate runs it.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
suites=(sim_rules sim_queue simulation sim_engine sim_cache sim_leap)
seconds=60 # for a suite, which takes one

[ $# -ge 1 ] || {
    printf 'usage: run.sh TREE [NAME...]\n' >&2
    exit 2
}
mkdir -p "$1"
tree=$(cd -- "$1" && pwd -P)
shift

# Files that did not change keep their times, so that a second run builds little.
copy_sources()
{
    mkdir -p "$tree/source"
    (cd -- "$root" && find . \( -name build -o -name .git \) -prune -o -type f -print0) |
        while IFS= read -r -d '' file; do
            cmp -s "$root/$file" "$tree/source/$file" && continue
            mkdir -p "$tree/source/${file%/*}"
            cp -- "$root/$file" "$tree/source/$file"
        done
}

build()
{
    cmake --build "$tree/build" --target unit >"$tree/build.log" 2>&1
}

# Says which suite noticed, if any did.
put_to_the_suites()
{
    local suite

    for suite in "${suites[@]}"; do
        if ! timeout "$seconds" "$tree/build/bin/unit" "$suite" >"$tree/$suite.log" 2>&1; then
            printf '%s' "$suite"
            return
        fi
    done
}

copy_sources
cmake -S "$tree/source" --preset dev -B "$tree/build" -DBUILD_TESTING=ON >"$tree/build.log" 2>&1
build || {
    tail -n 20 "$tree/build.log" >&2
    exit 1
}
noticed=$(put_to_the_suites)
[ -z "$noticed" ] || {
    printf 'mutate: %s fails without a mutation\n' "$noticed" >&2
    exit 1
}

total=0 missed=0
while IFS= read -r name; do
    case $name in '' | '#'*) continue ;; esac
    IFS= read -r file
    IFS= read -r old
    IFS= read -r new
    old=${old#- } new=${new#+ }
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
        continue
    fi
    path=$tree/source/$file
    text=$(<"$path")
    rest=${text/"$old"/}
    if [ "$rest" = "$text" ] || [ "${rest/"$old"/}" != "$rest" ]; then
        printf 'mutate: %s: expected once in %s: %s\n' "$name" "$file" "$old" >&2
        exit 1
    fi
    total=$((total + 1))
    printf '%s\n' "${text/"$old"/"$new"}" >"$path"
    if ! build; then
        result='does not build: not a mutation'
        missed=$((missed + 1))
    elif noticed=$(put_to_the_suites) && [ -n "$noticed" ]; then
        result="caught by $noticed"
    else
        result='NOT CAUGHT'
        missed=$((missed + 1))
    fi
    cp -- "$root/$file" "$path"
    printf '%-44s %s\n' "$name" "$result"
done <"$here/mutations.txt"
printf '%d mutations, %d not caught\n' "$total" "$missed"
[ "$total" -gt 0 ] && [ "$missed" -eq 0 ]
