#!/usr/bin/env bash
# detects.sh COMPILER - the checks check: each is run on small trees, one without a fault and one for
# every fault it knows, and must say exactly the right thing. A check that cannot fail proves nothing.
set -euo pipefail
export LC_ALL=C

compiler=$1
checks=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
tree=$scratch/tree
tried=0
wrong=0

# plant FILE TEXT: a file of the tree, with a last newline.
plant()
{
    mkdir -p "$(dirname -- "$tree/$1")"
    printf '%s\n' "$2" >"$tree/$1"
}

# fresh: a tree without a fault.
fresh()
{
    rm -rf -- "$tree"
    plant core/sum.h $'#ifndef SUM_H\n#define SUM_H\nint sgl_sum(int a, int b);\n#endif'
    plant core/sum.c $'#include "sum.h"\n\n#include <string.h>\n\n/* exit(1) */\nint sgl_sum(int a, int b)\n{\n    return a + b;\n}'
    plant core/policies/turn.c $'#include "core/sum.h"\n\nstruct ops {\n    const char *name;\n};\nextern const struct ops sgl_policy_turn;\nconst struct ops sgl_policy_turn = {\n    .name = "turn",\n};'
    plant core/policies.def 'SGL_POLICY(turn)'
    plant sim/clock.c '#include "core/sum.h"'
    plant cli/main.c '#include "sim/clock.h"'
    plant commands.json "\"file\": \"$tree/core/sum.c\", \"$tree/core/policies/turn.c\", \"$tree/sim/clock.c\", \"$tree/cli/main.c\""
}

run_check()
{
    case $1 in
    style) "$checks/style.sh" "$tree" "$tree/commands.json" ;;
    headers_alone) "$checks/headers_alone.sh" "$tree" "$tree" "$compiler" -Wall -Wextra ;;
    core_is_pure)
        rm -rf -- "$scratch/objects" "$scratch/core.a"
        mkdir "$scratch/objects"
        local source
        while IFS= read -r source; do
            "$compiler" -std=c17 -O1 -I"$tree" -D_POSIX_C_SOURCE=200809L -c "$source" \
                -o "$scratch/objects/$(basename -- "$source").o"
        done < <(find "$tree/core" -name '*.c')
        ar rc "$scratch/core.a" "$scratch"/objects/*.o
        "$checks/core_is_pure.sh" "$tree" "$scratch/core.a"
        ;;
    *) "$checks/$1.sh" "$tree" ;;
    esac
}

# passes CHECK: the tree as it stands has no fault.
passes()
{
    local output

    tried=$((tried + 1))
    output=$(run_check "$1" 2>&1) && return
    printf '%s finds a fault where there is none:\n%s\n' "$1" "$output"
    wrong=$((wrong + 1))
}

# finds CHECK TEXT: the check fails and its output has that text.
finds()
{
    local output status=0

    tried=$((tried + 1))
    output=$(run_check "$1" 2>&1) || status=$?
    if [ "$status" -ne 1 ] || [[ $output != *"$2"* ]]; then
        printf '%s should exit 1 and say "%s"; exits %d and says:\n%s\n' "$1" "$2" "$status" "$output"
        wrong=$((wrong + 1))
    fi
}

# with CHECK FILE TEXT FAULT: a fresh tree with that file planted has that fault.
with()
{
    fresh
    plant "$2" "$3"
    finds "$1" "$4"
}

fresh
for check in layers one_file_each headers_alone core_is_pure style; do
    passes "$check"
done
rm -rf -- "${tree:?}"/*
for check in layers headers_alone style; do
    finds "$check" "to look at"
done

with layers core/bad.c '#include "traces/trace.h"' 'core may not include traces/trace.h'
with layers core/bad.c '#  include "sim/clock.h"' 'core may not include sim/clock.h'
with layers core/bad.h '#include <time.h>' 'core may not include <time.h>'
with layers core/bad.c '#include "../cli/x.h"' 'climbs'
with layers core/bad.c '#include <core/sum.h>' 'is ours'
with layers traces/bad.c '#include "sim/clock.h"' 'traces may not include sim/clock.h'
with layers sim/bad.c '#include "analysis/summary.h"' 'sim may not include analysis/summary.h'
with layers sim/bad.c '#include <sqlite3.h>' 'may not use sqlite3.h'
with layers sim/bad.c '#include <gsl/gsl_math.h>' 'may not use gsl/gsl_math.h'
with layers live/bad.c '#include "sim/worker_model.h"' 'live may not include sim/worker_model.h'
with layers live/emulator.c '#include "sim/simulation.h"' 'live may not include sim/simulation.h'
with layers analysis/bad.c '#include "live/log.h"' 'analysis may not include live/log.h'
with layers cli/bad.c '#include "tests/unit/support.h"' 'cli may not include tests/unit/support.h'
fresh
plant live/emulator.c '#include "sim/worker_model.h"'
plant tests/unit/x_test.c '#include "live/log.h"'
passes layers

with one_file_each core/policies.def $'SGL_POLICY(turn)\nSGL_POLICY(ghost)' \
    'SGL_POLICY(ghost) has no file'
with one_file_each core/policies.def $'SGL_POLICY(turn)\nSGL_POLICY(turn)' 'stands twice'
with one_file_each core/policies/orphan.c 'int x;' 'orphan.c: no line'
with one_file_each core/policies/turn.c 'int x;' 'no .name = "turn"'
with one_file_each core/policies/turn.c 'const struct ops turn = {.name = "turn"};' 'no sgl_policy_turn'
with one_file_each traces/formats.def 'SGL_TRACE_FORMAT(ghost)' 'SGL_TRACE_FORMAT(ghost) has no file'
with one_file_each sim/models.def 'SGL_WORKER_MODEL(ghost)' 'SGL_WORKER_MODEL(ghost) has no file'
with one_file_each traces/generate/lengths.def 'SGL_LAW(ghost)' 'SGL_LAW(ghost) has no file'
fresh
plant sim/models.def ''
plant sim/models/shared.c 'int x;'
passes one_file_each
plant sim/models/alone.c $'const struct ops sgl_worker_model_alone = {\n    .name = "alone",\n};'
finds one_file_each 'sim/models/alone.c: no line SGL_WORKER_MODEL(alone)'
plant sim/models.def 'SGL_WORKER_MODEL(alone)'
plant traces/formats.def 'SGL_TRACE_FORMAT(some)'
plant traces/formats/some.c $'const struct ops sgl_format_some = {\n    .name = "some",\n};'
passes one_file_each

with headers_alone core/bad.h 'uint32_t sgl_bad(void);' 'core/bad.h: does not compile alone'
with headers_alone core/bad.h 'struct sgl_bad { int x; };' 'core/bad.h: does not compile alone'

pure_call()
{
    with core_is_pure core/bad.c "#include $1
void sgl_bad(void);
void sgl_bad(void)
{
    $2;
}" "refers to $3"
}
pure_call '<time.h>' 'time(NULL)' time
pure_call '<time.h>' 'clock_gettime(CLOCK_REALTIME, &(struct timespec){0})' clock_gettime
pure_call '<stdio.h>' 'fopen("x", "r")' fopen
pure_call '<stdio.h>' 'puts("a")' puts
pure_call '<stdlib.h>' 'getenv("HOME")' getenv
pure_call '<stdlib.h>' 'exit(1)' exit
with core_is_pure core/bad.c 'int sgl_counter;' 'writable global sgl_counter'
with core_is_pure core/bad.c 'int sgl_counter = 3;' 'writable global sgl_counter'
with core_is_pure core/bad.c 'int *sgl_next(void);
int *sgl_next(void)
{
    static int next;
    return &next;
}' 'writable global next'
with core_is_pure core/bad.c '_Thread_local int sgl_counter;' 'writable global sgl_counter'
with core_is_pure core/policies/turn.c '#include <stdlib.h>
void *turn(void);
void *turn(void)
{
    return malloc(8);
}' 'a policy calls malloc'
fresh
plant core/table.c 'extern const char *const sgl_words[];
const char *const sgl_words[] = {"a", "b"};'
passes core_is_pure

with style README.md $'a\tb' 'README.md:1: tab'
with style README.md 'blank ' 'trailing blank'
with style core/dos.c $'int x;\r' 'trailing blank'
with style notes.md "see /ro""ot/notes" 'path of one machine'
with style notes.md "TO""DO later" 'unfinished work'
with style notes.md "NEEDSWORK" 'NEEDSWORK without a reason'
with style core/bad.c "int a; /* $(printf '%0100d' 0) */" 'over 100 columns'
with style core/bad.c "$(seq -f '/* %g */' 601)" 'over 600 lines'
long_function()
{
    printf 'static int\nlong_one(int a,\n         int b)\n{\n%s\n    return a;\n}' "$(seq -f '    a += %g;' "$1")"
}
with style core/bad.c "$(long_function 65)" 'core/bad.c:1: function of 71 lines'
with style core/bad.c 'int f(char *s) { return sprintf(s, "x"); }' 'banned call'
with style tests/bad.c 'int f(char *s) { return atoi (s); }' 'banned call'
with style cli/bad.c 'char *f(char *s) { return strtok(s, ","); }' 'banned call'
with style sim/bad.c 'long f(void) { return time(0); }' 'call that only cli may make'
with style core/bad.c 'int a; // why' '// comment'
with style core/bad.c 'typedef struct { int a; } thing;' 'typedef of a struct'
with style core/bad.c 'int a;' 'core/bad.c: in no target'
fresh
printf 'int a;' >"$tree/core/sum.c"
finds style 'no newline at the end'
fresh
plant cli/main.c 'long f(void) { exit(time(0)); }'
plant sim/clock.c "$(printf 'int a(int x,\n      int y);\nstatic const int table[] = {\n%s\n};\n' "$(seq -f '    %g,' 80)"; long_function 64)"
plant core/sum.c '/* a comment
 * that calls time(0) and sprintf(s) */
const char *text = "// \" exit(1) ", quote = 39;
int lifetime(int a);
int x(int a) { return lifetime(a); } /* NEEDSWORK: with a reason */'
plant notes.md "mkstemp wants X""XXXXX; https://example.org/ho""me/x and ../wo""rk/x are no paths of a machine"
passes style

with readmes README.md 'see [it](core/gone.h)' 'README.md:1: link to core/gone.h'
with readmes README.md 'see [it](#no-such)' 'no such heading'
with readmes core/README.md "read \`gone.c\` first" 'core/README.md:1: no file is called gone.c'
fresh
plant dev $'common=(gcc libc6-dev libgsl-dev\n    node-llhttp)\ntesting=(libcunit1-dev)\n  build   it'
plant README.md $'## Licence and dependencies\n\nlibgsl-dev; libcunit1-dev; libold-dev'
finds readmes 'does not name the package node-llhttp'
finds readmes 'names the package libold-dev'
plant README.md $'see `./dev fly`\n\n## Licence and dependencies\n\nlibgsl-dev; libcunit1-dev; node-llhttp'
finds readmes "./dev has no word 'fly'"
plant README.md $'# One: two\n\n[a](core/sum.h), [b](#one-two), `sum.c`, `policies/NAME.c`, `./dev build`\n\n```\n[x](gone) `gone.c`\n```\n## Licence and dependencies\n\nlibgsl-dev; libcunit1-dev; node-llhttp'
passes readmes

printf '%d trees, %d wrong verdicts\n' "$tried" "$wrong"
[ "$wrong" -eq 0 ]
