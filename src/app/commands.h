#pragma once

#include "app/backend.h"

namespace tidegate::app {

/// One function a command. Each returns when the command has ended in order, or why it could not go on; the
/// error's message is for the person who typed the command.
Status serve(Process process);
Status match(Process process);
Status demo(Process process);
Status setup(Process process);
Status token(Process process);
Status tail(Process process);

}  // namespace tidegate::app
