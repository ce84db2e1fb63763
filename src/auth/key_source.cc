#include "auth/key_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>

#include "auth/pem.h"

namespace tidegate::auth {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kJwksBytesMax + 1, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(text.size())) && !in.eof()) {
    return Error{Fault::invalid, "cannot be read"};
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kJwksBytesMax) {
    return Error{Fault::invalid, fmt::format("longer than {} bytes", kJwksBytesMax)};
  }
  return text;
}

}  // namespace

bool is_url(std::string_view place) {
  return place.starts_with("http://") || place.starts_with("https://");
}

KeySource::Stamp KeySource::stamp() const {
  struct stat found{};
  if (::stat(place_.c_str(), &found) != 0) return {};
  // The change time, which no tool sets back, also where it keeps the time of writing.
  const std::int64_t changed = found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec;
  return {static_cast<std::int64_t>(found.st_dev), static_cast<std::int64_t>(found.st_ino), found.st_size,
          changed};
}

bool KeySource::changed() const {
  return !is_url() && stamp() != stamp_;
}

Result<std::string> KeySource::read(const Fetch& fetch, const std::stop_token& stop) {
  if (is_url()) return fetch(place_, stop);
  stamp_ = stamp();  // before it is read: what is written meanwhile is noticed afterwards
  return read_file(place_);
}

Status KeySource::load(const Fetch& fetch, const std::stop_token& stop) {
  const auto failed = [&](const Error& error) {
    return Error{error.fault, fmt::format("the keys of `{}`: {}", place(), error.message)};
  };
  auto text = read(fetch, stop);
  if (!text) return failed(text.error());
  if (kind_ == Kind::pem_file) {
    auto keys = read_pem(*text);
    if (!keys) return failed(keys.error());
    jwks_ = {std::move(*keys), {}};
  } else {
    auto jwks = read_jwks(*text, is_url() ? Secrets::ignored : Secrets::taken);
    if (!jwks) return failed(jwks.error());
    jwks_ = std::move(*jwks);
  }
  loaded_ = true;
  return {};
}

}  // namespace tidegate::auth
