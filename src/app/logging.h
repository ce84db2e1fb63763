#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace spdlog {
class logger;
}

namespace tidegate::app {

/// JSON lines on standard error: `{"time":"…","level":"info","message":"…", <fields>}`. Any thread. Never
/// given row data, tokens or secrets.
class Logger {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;
  /// `level` is `debug`, `info`, `warning` or `error`.
  explicit Logger(std::string_view level);
  void debug(std::string_view message, Fields fields = {}) const;
  void info(std::string_view message, Fields fields = {}) const;
  void warning(std::string_view message, Fields fields = {}) const;
  void error(std::string_view message, Fields fields = {}) const;

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace tidegate::app
