#include <vitrail/runtime/abi_check.hpp>

bool other_notices() try {
  vitrail::check_abi();
  return false;
} catch (const vitrail::Error&) {
  return true;
}
