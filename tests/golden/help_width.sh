#!/usr/bin/env bash
# help_width.sh PROGRAM - no help, of a command or of a policy, has a line of more than 100 columns,
# and neither has a table.
set -euo pipefail

program=$1
too_wide=0

# check NAME: reads its text.
check()
{
    awk -v name="$1" 'length($0) > 100 {printf "%s: %d columns: %s\n", name, length($0), $0; wide = 1}
        END {exit wide}'
}

"$program" help | check help || too_wide=1
commands=$("$program" help | awk '/^commands:/ {on = 1; next} !NF {on = 0} on {print $1}')
[ "$(wc -w <<<"$commands")" -ge 12 ] || { printf 'help lists too few commands\n' >&2; exit 1; }
for command in $commands; do
    "$program" "$command" --help | check "$command --help" || too_wide=1
done
policies=$("$program" policies --names)
[ "$(wc -w <<<"$policies")" -ge 5 ] || { printf 'policies --names lists too few\n' >&2; exit 1; }
for policy in $policies; do
    "$program" policies "$policy" | check "policies $policy" || too_wide=1
done
"$program" policies | check policies || too_wide=1
# Characters, not bytes: tables have a plus-minus sign in them.
trace=$(dirname -- "${BASH_SOURCE[0]}")/../../traces/samples/sglang-3-workers.csv
LC_ALL=C.UTF-8 "$program" compare "$trace" -p round_robin -p marginal_utility --seeds 3 --slo ttft:500ms |
    sed 's/\xc2\xb1/+/g' | check compare || too_wide=1
"$program" sweep "$trace" -p round_robin -p marginal_utility --rate-scale 1,2 --workers 2,4 --seeds 2 |
    sed 's/\xc2\xb1/+/g' | check sweep || too_wide=1
"$program" replay "$trace" -p marginal_utility --slo ttft:500ms,tpot:50ms --log none | check replay || too_wide=1
"$program" validate "$trace" | grep -v "^note: " | check validate || too_wide=1
exit "$too_wide"
