#!/usr/bin/env bash
# policy_is_one_file.sh ROOT - each line SGL_POLICY(x) of core/policies.def has core/policies/x.c,
# each such file its line, and the file defines the operations of that name.
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1
table=core/policies.def

lines=$(sed -nE 's/^SGL_POLICY\(([a-z0-9_]+)\).*/\1/p' "$root/$table")
count=0
for name in $lines; do
    count=$((count + 1))
    file=core/policies/$name.c
    if [ ! -f "$root/$file" ]; then
        fault "$table: SGL_POLICY($name) has no file (write $file)"
    elif ! grep -q "\.name = \"$name\"" "$root/$file"; then
        fault "$file: no .name = \"$name\" (the name of a policy is that of its file)"
    fi
done
faults < <(sort <<<"$lines" | uniq -d | sed "s|.*|$table: SGL_POLICY(&) stands twice|")
for path in "$root"/core/policies/*.c; do
    [ -e "$path" ] || continue
    name=$(basename -- "$path" .c)
    grep -qx "$name" <<<"$lines" || fault "core/policies/$name.c: no line SGL_POLICY($name) in $table"
done
finish "$count" policies
