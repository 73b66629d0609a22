// The GEMMs, from Python.
#include <cstddef>
#include <utility>

#include "binding/functions.hpp"

namespace deep_gemm {
namespace {

bool expect_count(const char* function, Py_ssize_t got, Py_ssize_t expected) {
  if (got == expected) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected %zd arguments, got %zd", function, expected, got);
  return false;
}

// One operand: its name in messages, where its view goes, and whether None may stand for it.
struct Place {
  const char* name;
  TensorView* view;
  bool optional = false;
};

// Arguments that keep the memory of their tensors for the length of a call.
class Tensors {
 public:
  // Reads as many arguments as there are places; the first is `a`, whose device and stream the call has.
  template <std::size_t kCount>
  bool read(PyObject* const* arguments, const Place (&places)[kCount]) {
    static_assert(kCount <= kMost);
    for (std::size_t i = 0; i < kCount; ++i) {
      if (places[i].optional && arguments[i] == Py_None) continue;
      if (!tensors_[i].read(arguments[i], places[i].name, *places[i].view)) return false;
    }
    return places[0].view->device_kind != DeviceKind::kCuda || tensors_[0].current_stream(&stream_);
  }

  void* stream() const { return stream_; }

 private:
  static constexpr std::size_t kMost = 6;
  TensorArgument tensors_[kMost];
  void* stream_ = nullptr;
};

template <typename Operands>
PyObject* call(bool (*function)(const Operands*, void*, Status*), const Operands& operands, void* stream) {
  Status status;
  bool done = false;
  Py_BEGIN_ALLOW_THREADS;
  done = function(&operands, stream, &status);
  Py_END_ALLOW_THREADS;
  if (!done) return raise(status);
  Py_RETURN_NONE;
}

// A, B, their scale factors, D and C, one after the other.
template <typename Operands>
bool read_scaled(Tensors& tensors, PyObject* const* arguments, Operands& operands) {
  return tensors.read(arguments, {{"a", &operands.a},
                                  {"scale_a", &operands.scale_a},
                                  {"b", &operands.b},
                                  {"scale_b", &operands.scale_b},
                                  {"d", &operands.d},
                                  {"c", &operands.c, true}});
}

// The same without scale factors.
template <typename Operands>
bool read_plain(Tensors& tensors, PyObject* const* arguments, Operands& operands) {
  return tensors.read(arguments,
                      {{"a", &operands.a}, {"b", &operands.b}, {"d", &operands.d}, {"c", &operands.c, true}});
}

PyObject* fp8_gemm(const char* function, Scales scales, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count(function, count, 6)) return nullptr;
  GemmOperands operands;
  operands.function = function;
  operands.scales = scales;
  operands.has_c = arguments[5] != Py_None;
  Tensors tensors;
  if (!read_scaled(tensors, arguments, operands)) return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

// The name of the function that the user called; it lives as long as the argument does.
bool read_function(PyObject* object, const char*& function) {
  function = PyUnicode_AsUTF8AndSize(object, nullptr);
  return function != nullptr;
}

bool read_grouping(PyObject* object, Grouping& grouping) {
  static constexpr std::pair<const char*, Grouping> kNames[] = {
      {"contiguous", Grouping::kContiguous}, {"psum", Grouping::kPsum}, {"masked", Grouping::kMasked}};
  for (const auto& [name, value] : kNames)
    if (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, name) == 0) {
      grouping = value;
      return true;
    }
  PyErr_Format(PyExc_ValueError, "grouping: expected contiguous, psum or masked, got %R", object);
  return false;
}

// The three arguments that stand before a grouped GEMM's tensors.
bool read_steering(PyObject* const* arguments, GemmOperands& operands) {
  if (!read_function(arguments[0], operands.function) || !read_grouping(arguments[1], operands.grouping)) return false;
  operands.expected_m = PyLong_AsLongLong(arguments[2]);
  return operands.expected_m != -1 || PyErr_Occurred() == nullptr;
}

const char* layout_name(const GemmOperands& operands) {
  return operands.grouping == Grouping::kMasked ? "masked_m" : "grouped_layout";
}

constexpr int kMaxGroups = 1024;

bool read_ks(PyObject* object, std::int64_t (&ks)[kMaxGroups], std::int64_t& count) {
  const Py_ssize_t length = PySequence_Size(object);
  if (length < 0) return false;
  if (length > kMaxGroups) {
    PyErr_Format(PyExc_ValueError, "ks: expected at most %d groups, got %zd", kMaxGroups, length);
    return false;
  }
  for (Py_ssize_t i = 0; i < length; ++i) {
    PyObject* item = PySequence_GetItem(object, i);
    ks[i] = item == nullptr ? -1 : PyLong_AsLongLong(item);
    Py_XDECREF(item);
    if (PyErr_Occurred() != nullptr) return false;
  }
  count = length;
  return true;
}

}  // namespace

PyObject* py_fp8_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return fp8_gemm("fp8_gemm_nt", Scales::kBlocks, arguments, count);
}

PyObject* py_fp8_gemm_nt_row_scales(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return fp8_gemm("fp8_gemm_nt", Scales::kRows, arguments, count);
}

PyObject* py_fp8_gemm_nt_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  GemmOperands operands;
  operands.scales = Scales::kBlocks;
  Tensors tensors;
  if (!expect_count("fp8_gemm_nt_grouped", count, 9) || !read_steering(arguments, operands) ||
      !tensors.read(arguments + 3, {{"a", &operands.a},
                                    {"scale_a", &operands.scale_a},
                                    {"b", &operands.b},
                                    {"scale_b", &operands.scale_b},
                                    {"d", &operands.d},
                                    {layout_name(operands), &operands.layout}}))
    return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

PyObject* py_bf16_gemm_nt(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count("bf16_gemm_nt", count, 4)) return nullptr;
  GemmOperands operands;
  operands.function = "bf16_gemm_nt";
  operands.has_c = arguments[3] != Py_None;
  Tensors tensors;
  if (!read_plain(tensors, arguments, operands)) return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

PyObject* py_bf16_gemm_nt_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  GemmOperands operands;
  Tensors tensors;
  if (!expect_count("bf16_gemm_nt_grouped", count, 7) || !read_steering(arguments, operands) ||
      !tensors.read(
          arguments + 3,
          {{"a", &operands.a}, {"b", &operands.b}, {"d", &operands.d}, {layout_name(operands), &operands.layout}}))
    return nullptr;
  return call(deep_gemm_gemm, operands, tensors.stream());
}

PyObject* py_fp8_gemm_nt_k_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count("fp8_gemm_nt_k_grouped", count, 8)) return nullptr;
  KGroupedOperands operands{};
  operands.scales = Scales::kRows;
  operands.has_c = arguments[7] != Py_None;
  std::int64_t ks[kMaxGroups];
  operands.ks = ks;
  Tensors tensors;
  if (!read_function(arguments[0], operands.function) || !read_ks(arguments[1], ks, operands.count) ||
      !read_scaled(tensors, arguments + 2, operands))
    return nullptr;
  return call(deep_gemm_k_grouped_gemm, operands, tensors.stream());
}

PyObject* py_bf16_gemm_nt_k_grouped(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!expect_count("bf16_gemm_nt_k_grouped", count, 6)) return nullptr;
  KGroupedOperands operands{};
  operands.has_c = arguments[5] != Py_None;
  std::int64_t ks[kMaxGroups];
  operands.ks = ks;
  Tensors tensors;
  if (!read_function(arguments[0], operands.function) || !read_ks(arguments[1], ks, operands.count) ||
      !read_plain(tensors, arguments + 2, operands))
    return nullptr;
  return call(deep_gemm_k_grouped_gemm, operands, tensors.stream());
}

}  // namespace deep_gemm
