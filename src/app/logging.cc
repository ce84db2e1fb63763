#include "app/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "base/encoding.h"

namespace tidegate::app {
namespace {

// spdlog's JSON patterns don't escape the message, so the line is made here and spdlog only writes it.
std::string line(std::string_view level, std::string_view message, const Logger::Fields& fields) {
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now);
  const std::time_t time = std::chrono::system_clock::to_time_t(seconds);
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  char stamp[32];
  const std::size_t size = std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  std::string out = R"({"time":")";
  out.append(stamp, size);
  out += fmt::format(R"(.{:03}Z","level":"{}","message":)", (now - seconds).count(), level);
  append_json_string(out, message);
  for (const auto& [name, value] : fields) {
    out.push_back(',');
    append_json_string(out, name);
    out.push_back(':');
    append_json_string(out, value);
  }
  out.push_back('}');
  return out;
}

}  // namespace

Logger::Logger(std::string_view level)
    : logger_(
          std::make_shared<spdlog::logger>("tidegate", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_pattern("%v");
  logger_->set_level(spdlog::level::from_str(std::string(level)));
  logger_->flush_on(spdlog::level::trace);
}

void Logger::debug(std::string_view message, Fields fields) const {
  if (logger_->should_log(spdlog::level::debug)) logger_->debug("{}", line("debug", message, fields));
}
void Logger::info(std::string_view message, Fields fields) const {
  logger_->info("{}", line("info", message, fields));
}
void Logger::warning(std::string_view message, Fields fields) const {
  logger_->warn("{}", line("warning", message, fields));
}
void Logger::error(std::string_view message, Fields fields) const {
  logger_->error("{}", line("error", message, fields));
}

}  // namespace tidegate::app
