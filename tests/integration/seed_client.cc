#include "integration/seed_client.h"

#include <algorithm>
#include <utility>

namespace tidegate::test {

SeedClient::SeedClient(client::Loop& loop, int port, client::Settings settings) {
  settings.port = static_cast<std::uint16_t>(port);
  client::Handlers handlers;
  const auto take = [this](bool text, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    received_.push_back({text, std::string(bytes)});
    binaries_ += text ? 0 : 1;
    pongs_ += text && bytes == kSeedPong ? 1 : 0;
    changed_.notify_all();
  };
  handlers.on_text = [take](std::string_view bytes) { take(true, bytes); };
  handlers.on_binary = [take](std::string_view bytes) { take(false, bytes); };
  handlers.on_open = [this](std::string_view selected) {
    const std::lock_guard lock(mutex_);
    selected_ = selected;
    changed_.notify_all();
  };
  handlers.on_close = [this](std::uint16_t code) {
    const std::lock_guard lock(mutex_);
    closed_ = code;
    changed_.notify_all();
  };
  handlers.on_error = [this](const client::Failure& failure) {
    const std::lock_guard lock(mutex_);
    failure_ = failure.message + " " + failure.body;
    changed_.notify_all();
  };
  client_ = std::make_unique<client::Client>(loop, std::move(settings), std::move(handlers));
}

bool SeedClient::wait(const std::function<bool()>& condition) {
  std::unique_lock lock(mutex_);
  const bool over =
      changed_.wait_for(lock, kPatience, [&] { return condition() || closed_ || !failure_.empty(); });
  return over && condition();
}

void SeedClient::subscribe(const std::string& hash_id, const std::string& extra) {
  send(R"({"op":"subscribe","table":"t","hashId":")" + hash_id + R"(","queryFbB64":"AA==")" + extra + "}");
}

bool SeedClient::subscribed(const std::string& hash_id, const std::string& extra) {
  const std::size_t before = texts().size();
  subscribe(hash_id, extra);
  return wait([&] {
    const auto texts = static_cast<std::size_t>(
        std::count_if(received_.begin(), received_.end(), [](const Received& one) { return one.text; }));
    return texts >= before + 2;
  });
}

bool SeedClient::wait_count(std::size_t frames) {
  return wait([&] { return received_.size() >= frames; });
}

bool SeedClient::wait_binaries(std::size_t frames) {
  return wait([&] { return binaries_ >= frames; });
}

std::string SeedClient::wait_text_with(const std::string& part) {
  std::string found;
  wait([&] {
    for (const Received& one : received_) {
      if (found.empty() && one.text && one.bytes.find(part) != std::string::npos) found = one.bytes;
    }
    return !found.empty();
  });
  return found;
}

bool SeedClient::wait_text(const std::string& whole) {
  return wait([&] { return std::find(received_.begin(), received_.end(), text(whole)) != received_.end(); });
}

std::optional<std::string> SeedClient::wait_open() {
  wait([&] { return selected_.has_value(); });
  const std::lock_guard lock(mutex_);
  return selected_;
}

std::optional<std::uint16_t> SeedClient::wait_closed() {
  wait([&] { return closed_.has_value(); });
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool SeedClient::settle() {
  std::size_t before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = pongs_;
  }
  send(R"({"op":"ping"})");
  return wait([&] { return pongs_ > before; });
}

std::vector<Received> SeedClient::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

std::vector<std::string> SeedClient::of_kind(bool text) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const Received& one : received_) {
    if (one.text == text) found.push_back(one.bytes);
  }
  return found;
}

std::vector<std::string> SeedClient::binaries() const {
  return of_kind(false);
}

std::vector<std::string> SeedClient::texts() const {
  return of_kind(true);
}

std::string SeedClient::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::string seed_ack(const std::string& hash_id) {
  return R"({"op":"ack","hashId":")" + hash_id + R"("})";
}

std::string seed_snapshot(const std::string& hash_id, const std::string& lsn) {
  return R"({"op":"snapshot","hashId":")" + hash_id + R"(","version":0,"cursor":{"lsn":")" + lsn +
         R"("},"rows":[]})";
}

std::string seed_error(const std::string& code, const std::string& message) {
  return R"({"op":"error","code":")" + code + R"(","message":")" + message + R"("})";
}

}  // namespace tidegate::test
