#include "base/fence.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace tidegate {

std::string XidSnapshot::text() const {
  std::string out = fmt::format("{}:{}:", xmin.value(), xmax.value());
  for (std::size_t i = 0; i < in_progress.size(); ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : ",", in_progress[i].value());
  }
  return out;
}

std::optional<XidSnapshot> XidSnapshot::parse(std::string_view text) {
  const auto until = [&text](char separator) {
    const std::size_t end = text.find(separator);
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return parse_u64(piece);
  };
  if (std::count(text.begin(), text.end(), ':') != 2) return std::nullopt;
  XidSnapshot snapshot;
  const auto xmin = until(':');
  const auto xmax = until(':');
  if (!xmin || !xmax) return std::nullopt;
  snapshot.xmin = Xid(*xmin);
  snapshot.xmax = Xid(*xmax);
  while (!text.empty()) {
    const auto xid = until(',');
    if (!xid) return std::nullopt;
    snapshot.in_progress.emplace_back(*xid);
  }
  std::sort(snapshot.in_progress.begin(), snapshot.in_progress.end());
  return snapshot;
}

}  // namespace tidegate
