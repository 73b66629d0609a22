#include "host/settings.hpp"

namespace deep_gemm {

Settings& Settings::get() {
  static Settings settings;
  return settings;
}

}  // namespace deep_gemm
