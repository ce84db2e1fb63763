#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace tidegate {

/// What kind of fault an Error is: it decides what the caller does next, the message is for a person.
enum class Fault {
  invalid,      ///< the input is wrong: say so to whoever sent it
  not_found,    ///< what was named does not exist
  denied,       ///< exists, but not for this principal, or a privilege is missing
  unavailable,  ///< the world is not there just now: try again
  lost,         ///< a position, a slot or a schema is gone for good: begin anew
  fatal,        ///< this process must end
};

/// A fault of the world or of an input, as a value. `message` names what is wrong and, where a person can
/// act, what to do next; it never holds row data of another principal (rule 22).
struct Error {
  Fault fault = Fault::unavailable;
  std::string message;
};

/// Either a T or an Error. Reading the wrong side is a bug and asserts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] T& value() & { return *this->operator->(); }
  [[nodiscard]] const T& value() const& { return *this->operator->(); }
  [[nodiscard]] T&& value() && { return std::move(*this->operator->()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() {
    assert(ok());
    return std::get_if<0>(&state_);
  }
  const T* operator->() const {
    assert(ok());
    return std::get_if<0>(&state_);
  }
  [[nodiscard]] const Error& error() const {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] const Error& error() const {
    assert(!ok_);
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

using Status = Result<void>;

}  // namespace tidegate
