// Exits with 1 when either translation unit notices that Eigen was compiled twice.
#include <vitrail/runtime/abi_check.hpp>

bool other_notices();

int main() try {
  vitrail::check_abi();
  return other_notices() ? 1 : 0;
} catch (const vitrail::Error&) {
  return 1;
}
