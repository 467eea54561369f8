# The system's copy first; what is missing is fetched by tag, which needs a network.
include(FetchContent)
set(FETCHCONTENT_TRY_FIND_PACKAGE_MODE OPT_IN)

FetchContent_Declare(Eigen3 SYSTEM GIT_REPOSITORY https://gitlab.com/libeigen/eigen.git GIT_TAG 3.4.0
  FIND_PACKAGE_ARGS 3.4 NO_MODULE)
FetchContent_Declare(nlohmann_json SYSTEM GIT_REPOSITORY https://github.com/nlohmann/json.git GIT_TAG v3.11.2
  FIND_PACKAGE_ARGS 3.10)
FetchContent_MakeAvailable(Eigen3 nlohmann_json)
find_package(Threads REQUIRED)

find_package(JPEG)
find_package(PNG)
