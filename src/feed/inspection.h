#pragma once

#include <optional>

#include "feed/channels.h"
#include "feed/events.h"
#include "feed/tail.h"

namespace tidegate::feed {

/// What is held of a query; nothing where no client here has it. Looks at every channel. The feed's thread.
std::optional<ChannelView> inspect(Channels& channels, const Tail& tail, const QueryHash& query);

}  // namespace tidegate::feed
