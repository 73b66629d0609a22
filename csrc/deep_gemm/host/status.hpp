// The outcome of a call: one code, one line for the user. No exceptions cross the library's boundary.
#pragma once

#include <cstdarg>
#include <cstdio>

namespace deep_gemm {

enum class Outcome : int {
  kOk = 0,
  kInvalidValue = 1,  // the caller's operands: Python's ValueError
  kRuntime = 2,       // the machine: Python's RuntimeError
};

struct Status {
  Outcome outcome = Outcome::kOk;
  char message[512];  // written only where outcome is not kOk

  bool ok() const { return outcome == Outcome::kOk; }

  // Sets code and message; returns false, so that a check can end with `return status.refuse(...)`.
  [[gnu::format(printf, 2, 3)]] bool refuse(const char* format, ...) {
    std::va_list values;
    va_start(values, format);
    set(Outcome::kInvalidValue, format, values);
    va_end(values);
    return false;
  }

  [[gnu::format(printf, 2, 3)]] bool fail(const char* format, ...) {
    std::va_list values;
    va_start(values, format);
    set(Outcome::kRuntime, format, values);
    va_end(values);
    return false;
  }

 private:
  void set(Outcome code, const char* format, std::va_list values) {
    outcome = code;
    std::vsnprintf(message, sizeof(message), format, values);
  }
};

}  // namespace deep_gemm
