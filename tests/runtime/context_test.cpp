#include <gtest/gtest.h>

#include <vitrail/runtime/context.hpp>

namespace {

using namespace vitrail;

TEST(Context, GoesOnUntilItIsAskedToStop) {
  SerialExecutor serial;
  Workspace workspace;
  EXPECT_NO_THROW((Context{serial, workspace}.check_stop()));
#if defined(__cpp_lib_jthread)
  std::stop_source source;
  const Context context{serial, workspace, source.get_token()};
  EXPECT_NO_THROW(context.check_stop());
  source.request_stop();
  try {
    context.check_stop();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "forward pass: stopped on request");
  }
#endif
}

}  // namespace
