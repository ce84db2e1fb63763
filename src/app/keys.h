#pragma once

#include <memory>

#include "app/backend.h"
#include "auth/key_ring.h"

namespace tidegate::app {

/// The keys that the settings name; null where nobody is verified.
Result<std::shared_ptr<auth::KeyRing>> open_keys(Process process);

}  // namespace tidegate::app
