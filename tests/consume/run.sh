#!/bin/sh
# usage: run.sh include|add_subdirectory|find_package|fetch_content|compiled SOURCE WORK CXX
# Builds the consumer in one of the ways and runs it on the bundled model. What is installed is used by way of pkg-config too.
set -eu
way=$1 source=$2 work=$3 cxx=$4
rm -rf "$work"
mkdir -p "$work"
model=$source/examples/models/fashion_mnist
if [ "$way" = include ]; then
  eigen=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)
  # shellcheck disable=SC2086
  "$cxx" -std=c++20 -I"$source/include" $eigen "$source/tests/consume/main.cpp" -o "$work/consumer" -pthread
else
  if [ "$way" = find_package ] || [ "$way" = compiled ]; then
    compiled=OFF
    if [ "$way" = compiled ]; then compiled=ON; fi
    cmake -S "$source" -B "$work/vitrail" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DVITRAIL_BUILD_TESTS=OFF \
      -DVITRAIL_BUILD_BENCHMARKS=OFF -DVITRAIL_BUILD_EXAMPLES=OFF -DVITRAIL_BUILD_COMPILED=$compiled >/dev/null
    cmake --build "$work/vitrail" >/dev/null
    cmake --install "$work/vitrail" --prefix "$work/prefix" >/dev/null
  fi
  cmake -S "$source/tests/consume/$way" -B "$work" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DVITRAIL_SOURCE="$source" \
    -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
  cmake --build "$work" --target consumer
fi
[ "$("$work/consumer" "$model")" = vit_tiny_patch16_224 ]
if [ -d "$work/prefix" ]; then
  PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name vitrail.pc)")
  export PKG_CONFIG_PATH
  main=$source/tests/consume/main.cpp name=vitrail
  if [ "$way" = compiled ]; then main=$source/examples/hello/hello.cpp name=vitrail-compiled; fi
  # shellcheck disable=SC2046
  "$cxx" -std=c++20 "$main" $(pkg-config --cflags --libs $name) -o "$work/by_pkg_config"
  if [ "$way" = compiled ]; then
    "$work/by_pkg_config" "$model" "$model/pictures/bag.png" | grep -q Bag
  else
    [ "$("$work/by_pkg_config" "$model")" = vit_tiny_patch16_224 ]
  fi
fi
