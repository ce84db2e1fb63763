#include "app/revocation.h"

#include <chrono>
#include <utility>

#include "app/adapters.h"
#include "base/encoding.h"

namespace tidegate::app {
namespace {

constexpr std::chrono::seconds kRetry{1};
constexpr std::chrono::seconds kAnswer{10};

}  // namespace

RevocationStore::RevocationStore(Process process)
    : process_(process),
      topic_(has_kafka(process.settings) ? kafka::revocation_topic(process.settings.kafka.topics.front())
                                         : std::string()),
      revocations_(std::make_shared<auth::Revocations>(process.settings.revocations_bytes_max,
                                                       process.settings.auth.leeway, process.clock,
                                                       process.metrics)) {}

Result<std::shared_ptr<RevocationStore>> RevocationStore::open(Process process) {
  if (process.settings.auth.mode == auth::Options::Mode::none) return std::shared_ptr<RevocationStore>();
  std::shared_ptr<RevocationStore> store(new RevocationStore(process));
  if (!store->topic_.empty()) {
    store->revocations_->wait_for("the topic " + store->topic_ + " is not read yet");
    store->thread_ = std::thread([raw = store.get()] { raw->follow(); });
    return store;
  }
  if (const std::string& path = process.settings.revocation_file; !path.empty()) {
    auto file = auth::RevocationFile::open(path, *store->revocations_);
    if (!file) return file.error();
    store->file_ = std::move(*file);
  }
  store->revocations_->whole();
  return store;
}

RevocationStore::~RevocationStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool RevocationStore::wait_a_second() {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, kRetry, [this] { return stopping_; });
}

Result<std::shared_ptr<kafka::Bulletin>> RevocationStore::open_bulletin() {
  const auto take = [revocations = revocations_](std::string_view, std::string_view value) {
    if (const auto revocation = auth::Revocation::parse(value)) {
      static_cast<void>(revocations->add(*revocation));
    } else {
      revocations->unreadable();
    }
  };
  auto opened = kafka::Bulletin::open(kafka_options(process_.settings), topic_, take,
                                      [revocations = revocations_] { revocations->whole(); });
  if (!opened) return opened.error();
  return std::shared_ptr<kafka::Bulletin>(std::move(*opened));
}

/// Opens the topic again where it was lost: what is known of it stays.
void RevocationStore::follow() {
  std::string said;
  do {
    std::shared_ptr<kafka::Bulletin> lost;
    {
      const std::lock_guard lock(mutex_);
      if (bulletin_ && !bulletin_->failure()) continue;
      lost = std::exchange(bulletin_, nullptr);
    }
    lost.reset();
    auto opened = open_bulletin();
    if (opened) {
      said.clear();
      const std::lock_guard lock(mutex_);
      bulletin_ = std::move(*opened);
      continue;
    }
    revocations_->wait_for(opened.error().message);
    if (std::exchange(said, opened.error().message) != opened.error().message)
      process_.logger.warning("revocations can't be read", {{"reason", said}});
  } while (wait_a_second());
}

Status RevocationStore::keep(const auth::Revocation& revocation) {
  if (file_) return file_->append(revocation);
  if (topic_.empty()) return {};
  std::shared_ptr<kafka::Bulletin> bulletin;
  {
    const std::lock_guard lock(mutex_);
    bulletin = bulletin_;
  }
  if (!bulletin) return Error{Fault::unavailable, "the topic " + topic_ + " is out of reach"};
  return bulletin->append(revocation.key(), revocation.json(), revocations_->take_forgotten(), kAnswer);
}

Result<std::string> RevocationStore::revoke(auth::Revocation revocation) {
  if (Status room = revocations_->has_room(revocation); !room) return room.error();
  const auth::Revocation counts = revocations_->add(std::move(revocation));
  if (Status kept = keep(counts); !kept) {
    return Error{Fault::unavailable, "it counts in this process alone, and until that ends: say it again. " +
                                         kept.error().message};
  }
  process_.logger.info("revoked",
                       {{"what", counts.of == auth::Revocation::Of::token ? "a token" : "a subject"}});
  std::string kept = "memory of this process, until it ends";
  if (file_) kept = "file " + process_.settings.revocation_file;
  if (!topic_.empty()) kept = "topic " + topic_;
  std::string out = R"({"revoked":)" + counts.json() + R"(,"kept":)";
  append_json_string(out, kept);
  return out + "}";
}

}  // namespace tidegate::app
