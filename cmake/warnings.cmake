# Warnings for our own tests, benches and examples; never exported.
include_guard(GLOBAL)
add_library(vitrail_warnings INTERFACE)
target_compile_options(vitrail_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wcast-align -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough)
option(VITRAIL_WERROR "Warnings are errors" OFF)
if(VITRAIL_WERROR)
  target_compile_options(vitrail_warnings INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these two falsely, inside its own <string> and vector loops, once the optimiser has inlined them.
  target_compile_options(vitrail_warnings INTERFACE -Wno-restrict -Wno-null-dereference)
endif()
