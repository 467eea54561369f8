#!/bin/sh
# usage: compilers.sh [FLAGS...]
# One program, built by g++ and clang++ at every level of optimisation, for this processor and for any, without RTTI, with
# libc++; no warning, and the right answer each time. With FLAGS only builds whose name matches one of them: "-O3".
# (g++ 12 takes the undefined registers of its own AVX-512 header, where Eigen uses them, for a mistake.)
set -eu
cd "$(dirname "$0")/../.."
only="$*"
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null | sed 's/-I/-isystem /g')
export eigen="${eigen:--isystem /usr/include/eigen3}" work=build-compilers
rm -rf "$work"
mkdir -p "$work"
wanted() {
  [ -z "$only" ] || for pattern in $only; do case "$*" in *"$pattern"*) return 0 ;; esac; done
  [ -z "$only" ]
}
# As many at a time as there are processors. $1 is the number of a build, the rest its command.
# shellcheck disable=SC2016
while read -r command; do
  # shellcheck disable=SC2086
  if wanted $command; then count=$((${count:-0} + 1)) && echo "$count $command"; fi
done <<'END' | xargs -P "$(nproc)" -L1 sh -c '
  program=$work/representative$1 && shift
  result=failed
  if ! "$@" -std=c++20 -Wall -Wextra -Wpedantic -Werror -Iinclude $eigen tests/compile/representative.cpp -o "$program" \
      -pthread >"$program.log" 2>&1; then
    { echo "$*: does not build" && head -20 "$program.log"; } >&2
  elif ! "$program" examples/models/fashion_mnist >"$program.log" 2>&1; then
    { echo "$*: wrong answer" && cat "$program.log"; } >&2
  else
    result=passed
  fi
  rm -f "$program"
  echo "  $*: $result" | tee -a "$work/results"' sh
g++ -O0
g++ -O1
g++ -O2
g++ -O3
g++ -O3 -march=native -Wno-maybe-uninitialized
g++ -O2 -fno-rtti
g++ -O2 -DNDEBUG -D_GLIBCXX_ASSERTIONS
clang++ -O0
clang++ -O1
clang++ -O2
clang++ -O3
clang++ -O3 -march=native
clang++ -O2 -fno-rtti
clang++ -O2 -stdlib=libc++
END
echo "cases: $(grep -c ': passed$' "$work/results")"
! grep ': failed$' "$work/results" >&2
