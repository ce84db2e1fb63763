#include "session/routes.h"

namespace tidegate::session {

const HttpHandler* find_route(const std::map<std::string, HttpHandler>& routes, std::string_view target) {
  const auto path = target.substr(0, target.find('?'));
  const HttpHandler* found = nullptr;
  std::size_t length = 0;
  for (const auto& [route, handler] : routes) {
    if (route == path) return &handler;
    if (route.empty() || route.back() != '*') continue;
    const auto prefix = std::string_view(route).substr(0, route.size() - 1);
    if (path.starts_with(prefix) && (!found || prefix.size() >= length)) {
      found = &handler;
      length = prefix.size();
    }
  }
  return found;
}

}  // namespace tidegate::session
