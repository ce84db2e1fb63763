#include "base/fault_point.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

namespace tidegate {
namespace {

/// Runs `body` in a child that has `fault` in its environment, as far as it goes; its status then.
template <class Body>
int status_of(const char* fault, Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("TIDEGATE_FAULT", fault, 1);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, WUNTRACED);
  if (!WIFSTOPPED(status)) return status;
  const int stopped = status;
  ::kill(child, SIGCONT);
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "it goes on when it is continued";
  return stopped;
}

void pass_three_times() {
  for (int i = 0; i < 3; ++i) {
    fault_point("matcher.matched");
    fault_point("matcher.appended");
  }
}

TEST(FaultPoint, stops_the_process_at_the_nth_passing_of_the_one_that_is_named) {
  EXPECT_TRUE(WIFSTOPPED(status_of("matcher.appended", pass_three_times)));
  EXPECT_TRUE(WIFSTOPPED(status_of("matcher.appended:3", pass_three_times)));
  EXPECT_TRUE(WIFEXITED(status_of("matcher.appended:4", pass_three_times)));
  EXPECT_TRUE(WIFEXITED(status_of("gateway.posted", pass_three_times)));
}

TEST(FaultPoint, a_name_that_is_not_one_ends_the_process) {
  for (const char* wrong : {"matcher.apended", "matcher.appended:0", "matcher.appended:x"}) {
    const int status = status_of(wrong, pass_three_times);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << wrong;
  }
}

TEST(FaultPoint, each_has_a_name_of_its_own_and_says_what_it_means) {
  std::set<std::string_view> names;
  for (const FaultPoint& point : kFaultPoints) {
    EXPECT_TRUE(names.insert(point.name).second) << point.name;
    EXPECT_FALSE(point.meaning.empty()) << point.name;
  }
}

}  // namespace
}  // namespace tidegate
