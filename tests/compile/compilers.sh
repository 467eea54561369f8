#!/bin/sh
# usage: compilers.sh [FLAGS...]
# One program, built by g++ and clang++ at every level of optimisation, for this processor and for any, without RTTI, with
# libc++; no warning, and the right answer each time. With FLAGS only builds whose name matches one of them: "-O3".
# (g++ 12 takes the undefined registers of its own AVX-512 header, where Eigen uses them, for a mistake.)
set -eu
cd "$(dirname "$0")/../.."
work=build-compilers
mkdir -p "$work"
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null | sed 's/-I/-isystem /g')
count=0 failed=""
try() { # COMPILER FLAGS...
  name="$*"
  # shellcheck disable=SC2086
  if ! "$@" -std=c++20 -Wall -Wextra -Wpedantic -Werror -Iinclude ${eigen:--isystem /usr/include/eigen3} \
      tests/compile/representative.cpp -o "$work/representative" -pthread >"$work/log" 2>&1; then
    head -20 "$work/log" >&2
    failed="$failed [$name: does not build]"
  elif ! "$work/representative" examples/models/fashion_mnist >"$work/log" 2>&1; then
    cat "$work/log" >&2
    failed="$failed [$name: wrong answer]"
  fi
  count=$((count + 1))
  echo "  $name"
}
wanted() {
  [ -z "$only" ] || for pattern in $only; do case "$*" in *"$pattern"*) return 0 ;; esac; done
  [ -z "$only" ]
}
only="$*"
while read -r command; do
  # shellcheck disable=SC2086
  if wanted $command; then try $command; fi
done <<'END'
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
echo "cases: $count"
if [ -n "$failed" ]; then
  echo "failed:$failed" >&2
  exit 1
fi
