#!/bin/sh
# usage: headers.sh SOURCE CXX
# Every public header compiles alone, without warnings.
set -eu
source=$1 cxx=$2
cd "$source/include"
eigen=$(pkg-config --cflags-only-I eigen3 2>/dev/null | sed 's/-I/-isystem /g')
find vitrail -name '*.hpp' | sort | xargs -P "$(nproc)" -I{} sh -c '
  echo "#include <{}>" | '"$cxx"' -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -x c++ -I. \
    '"${eigen:--isystem /usr/include/eigen3}"' - || { echo "{} does not compile alone" >&2; exit 255; }'
