#!/bin/sh
# usage: failures.sh SOURCE CXX
# Each file under compile_fail/ says in its first line what the compiler must complain of; it must compile without -DBAD,
# so that it cannot rot, and fail with that sentence with it.
set -eu
source=$1 cxx=$2
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null || echo -I/usr/include/eigen3)
for file in "$source"/tests/compile_fail/*.cpp; do
  wanted=$(sed -n '1s,^// error: ,,p' "$file")
  # shellcheck disable=SC2086
  "$cxx" -std=c++20 -fsyntax-only -I"$source/include" $eigen "$file"
  # shellcheck disable=SC2086
  if output=$("$cxx" -std=c++20 -fsyntax-only -DBAD -I"$source/include" $eigen "$file" 2>&1); then
    echo "$file compiles, and should not" >&2
    exit 1
  fi
  if ! echo "$output" | grep -q "$wanted"; then
    echo "$file fails without saying: $wanted" >&2
    exit 1
  fi
done
