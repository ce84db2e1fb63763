#pragma once

#include <chrono>
#include <future>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

namespace tidegate::kafka {

/// Asks on a thread of its own, so that the caller can go on and take the answer when it is there. Of a
/// broker that stands still librdkafka may wait for minutes: nobody waits for that thread, and the question
/// must keep alive what it uses. Not `valid()` where no thread is to be had.
template <class Question>
std::future<std::invoke_result_t<Question>> aside(Question question) {
  std::packaged_task<std::invoke_result_t<Question>()> task(std::move(question));
  auto answer = task.get_future();
  try {
    std::thread(std::move(task)).detach();
  } catch (const std::system_error&) {
    return {};
  }
  return answer;
}

/// Whether it was asked, and `get` does not wait.
template <class Answer>
bool is_there(const std::future<Answer>& answer) {
  return answer.valid() && answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace tidegate::kafka
