#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "source/source.h"
#include "sqlite/file_watch.h"
#include "sqlite/follower.h"

namespace tidegate::sqlite {

/// The journal as a change stream. One a source: it takes the follower's events.
class Stream final : public source::ChangeStream {
 public:
  Stream(Options options, Follower& follower);
  ~Stream() override;

  Status start() override;
  [[nodiscard]] const SourceIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::string slot() const override { return {}; }
  [[nodiscard]] Lsn start_position() const override { return start_; }
  Result<source::StreamEvent> next(std::chrono::milliseconds wait) override;
  void request_visibility() override;
  void nudge() override;
  void confirm(Lsn lsn) override;
  void wake() override;
  void stop() override;

 private:
  Status look();
  std::optional<source::StreamEvent> answer();

  const Options options_;
  Follower& follower_;
  FileWatch watch_;
  std::unique_ptr<Connection> connection_;
  SourceIdentity identity_;
  Lsn start_;
  std::int64_t data_version_ = -1;
  bool started_ = false;
  std::atomic<std::uint64_t> confirmed_{0};
  std::atomic<bool> visibility_asked_{false};
  std::atomic<bool> position_asked_{false};
  std::atomic<bool> woken_{false};
  std::atomic<bool> stopped_{false};
};

}  // namespace tidegate::sqlite
