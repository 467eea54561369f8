#!/bin/sh
# usage: mixed_flags.sh SOURCE WORK CXX
# Two translation units with different -m flags. Sharing our types must fail to link; sharing nothing but Eigen must be
# noticed by the probe, whichever copy the linker kept; equal flags must pass both.
set -eu
source=$1 work=$2 cxx=$3
case $(uname -m) in x86_64) ;; *) exit 0 ;; esac
rm -rf "$work"
mkdir -p "$work"
eigen=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)
build() { # NAME FLAGS...
  name=$1 && shift
  # shellcheck disable=SC2086
  "$cxx" -std=c++20 -O1 "$@" -I"$source/include" $eigen -c "$source/tests/odr/$name.cpp" -o "$work/$name.o"
}
build probe_main
build probe_other
build types_main
build types_other
"$cxx" "$work/probe_main.o" "$work/probe_other.o" -o "$work/same" && "$work/same"
"$cxx" "$work/types_main.o" "$work/types_other.o" -o "$work/types"
build probe_other -mavx2 -mfma
build types_other -mavx2 -mfma
for order in "probe_main.o probe_other.o" "probe_other.o probe_main.o"; do
  # shellcheck disable=SC2086
  (cd "$work" && "$cxx" $order -o mixed)
  if "$work/mixed"; then
    echo "mixed flags went unnoticed ($order)" >&2
    exit 1
  fi
done
if "$cxx" "$work/types_main.o" "$work/types_other.o" -o "$work/types" 2>"$work/log"; then
  echo "types of differently compiled translation units linked" >&2
  exit 1
fi
grep -q "undefined reference" "$work/log"
