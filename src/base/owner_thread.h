#pragma once

#include <cassert>
#include <thread>

namespace tidegate {

/// Asserts that an object without locks is only touched by one thread: the first that calls `check()`.
class OwnerThread {
 public:
  void check() {
    if (owner_ == std::thread::id{}) owner_ = std::this_thread::get_id();
    assert(owner_ == std::this_thread::get_id() && "called from a thread that does not own this object");
  }
  /// Before handing the object to another thread.
  void release() { owner_ = {}; }

 private:
  std::thread::id owner_;
};

}  // namespace tidegate
