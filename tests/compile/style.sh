#!/bin/sh
# usage: style.sh SOURCE
# The public headers keep to their form: a first line that says what the header is, the guard of its path, ASCII, 100
# columns, at most 400 lines, no heavy standard header, no macro that is not ours, nothing that prints or ends the program.
set -eu
cd "$1/include"
status=0
wrong() {
  echo "$1: $2" >&2
  status=1
}
for file in $(find vitrail -name '*.hpp' | sort); do
  guard=$(echo "$file" | tr 'a-z/.' 'A-Z__')
  head -1 "$file" | grep -q '^// ' || wrong "$file" "does not begin with a sentence"
  case $file in */kernels/body/*) ;; *)
    grep -q "^#ifndef $guard\$" "$file" && grep -q "^#define $guard\$" "$file" || wrong "$file" "has no guard $guard"
    ;;
  esac
  if LC_ALL=C grep -n '[^ -~]' "$file" | grep -q .; then wrong "$file" "is not plain ASCII"; fi
  if LC_ALL=C grep -nE '^.{101,}' "$file" >&2; then wrong "$file" "has lines beyond 100 columns"; fi
  [ "$(wc -l <"$file")" -le 400 ] || wrong "$file" "has more than 400 lines"
  if grep -nE '#include <(regex|iostream|future|random)>' "$file" >&2; then wrong "$file" "includes a heavy header"; fi
  if grep -nE '^ *# *define ' "$file" | grep -vE 'define VITRAIL_' >&2; then wrong "$file" "defines a macro not ours"; fi
  if grep -nE '\b(abort|exit|std::terminate|printf|puts) *\(' "$file" | grep -v '^[0-9]*: *//' >&2; then
    wrong "$file" "prints or ends the program"
  fi
  # The first lock against mixed compiler flags: no signature has a type of Eigen's that owns memory.
  case $file in vitrail/tensor/matrix.hpp | vitrail/runtime/abi_check.hpp) ;; *)
    if grep -nE 'Eigen::|RowMajorMatrix' "$file" | grep -v '^[0-9]*: *//' >&2; then wrong "$file" "names a type of Eigen's"; fi
    ;;
  esac
  if grep -nE '\busing namespace ' "$file" >&2; then wrong "$file" "opens a namespace for its users"; fi
done
exit $status
