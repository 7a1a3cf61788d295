#!/usr/bin/env bash
# core_is_pure.sh ROOT LIBRARY - what the objects of core refer to and keep, read from their symbols.
#
#  - They call only what is listed here: memory, strings, mathematics, formatting into memory, GSL
#    and themselves. So no clock, file, socket, thread or environment can have crept in.
#  - They have no writable global: the state of a router is in the router.
#  - A policy refers to no allocator of its own: memory comes from the router, before it decides.
#
# ROOT names the policies (core/policies.def); LIBRARY is libsglsim_core.a. Symbols that sanitizers
# and -D_FORTIFY_SOURCE put in the place of ours are looked through.
# shellcheck source=tests/checks/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

root=$1
library=$2

allowed="
 malloc calloc realloc free
 memchr memcmp memcpy memmove memset
 strchr strcmp strcpy strcspn strlen strncmp strnlen strpbrk strrchr strspn strstr
 snprintf vsnprintf strtod strtoll strtoull qsort bsearch abs labs llabs
 ceil cos exp fabs floor fmax fmin fmod frexp ldexp llround log log1p log2 lround nearbyint
 nextafter pow rint round sqrt trunc
 __assert_fail __errno_location __ctype_b_loc __stack_chk_fail _GLOBAL_OFFSET_TABLE_
"
allocators=" malloc calloc realloc free strdup aligned_alloc posix_memalign "
# What instrumentation adds.
instrumentation='^(__asan_|__ubsan_|__tsan_|__sanitizer_|__sancov_|__gcov_|__odr_asan)'

is_listed()
{
    case $2 in *[[:space:]]"$1"[[:space:]]*) return 0 ;; esac
    return 1
}

# "member symbol" for each symbol that is referred to and not defined in that member.
undefined=$(nm --undefined-only --print-file-name "$library" |
    sed -nE 's/^.*[:[]([^]:[]+\.o)\]?:[[:space:]]+[Uuvw] ([^@]+).*/\1 \2/p')
defined=$(nm --defined-only "$library" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ {print $3}')
policies=$(sed -nE 's/^SGL_POLICY\(([a-z0-9_]+)\).*/\1.c.o/p' "$root/core/policies.def")

count=$(ar t "$library" | wc -l)
declare -A is_defined=() is_policy=()
for name in $defined; do
    is_defined[$name]=1
done
for name in $policies; do
    is_policy[$name]=1
done
while read -r member symbol; do
    if [ -z "$symbol" ] || [[ $symbol =~ $instrumentation ]]; then
        continue
    fi
    # __memcpy_chk is memcpy, checked.
    [[ ! $symbol =~ ^__([a-z]+)_chk$ ]] || symbol=${BASH_REMATCH[1]}
    if [ -n "${is_policy[$member]:-}" ] && is_listed "$symbol" "$allocators"; then
        fault "$member: a policy calls $symbol (its memory comes from the router)"
    elif [ -z "${is_defined[$symbol]:-}" ] && [[ $symbol != gsl_* ]] &&
        ! is_listed "$symbol" "$allowed"; then
        fault "$member: refers to $symbol, which is not on the list (core computes, and does no more)"
    fi
done <<<"$undefined"

# Sections, not nm's letters: a const table of strings is "d" to nm too, but is in .data.rel.ro,
# which the loader seals.
faults < <(objdump -t "$library" | awk '
    /^[^ ]+\.o: +file format/ { member = $1; sub(/:$/, "", member); next }
    {
        section = ""
        for (i = 2; i <= NF; i++)
            if ($i ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/) { section = $i; break }
        if (section == "" || section ~ /^\.data\.rel\.ro/ || $NF == section)
            next
        if ($NF ~ /^(__odr_asan|\.LASAN|__asan|__sancov|__gcov|_sub_|\.Lubsan)/)
            next
        print member ": writable global " $NF " in " section " (keep state in the router)"
    }')
finish "$count" objects
