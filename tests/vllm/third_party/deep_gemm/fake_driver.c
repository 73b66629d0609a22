/* A stand-in for libcuda.so.1: answers what the library asks, and appends each launch to the file FAKE_CUDA_LOG.
   With each launch goes what the kernel was given: the tensor maps, as they were asked for, and the numbers behind them.
   FAKE_CUDA_SM is the GPU's compute capability ("80"), FAKE_CUDA_FAIL the name of a function that fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;

static Result outcome(const char* function) {
  const char* failing = getenv("FAKE_CUDA_FAIL");
  return failing != NULL && strcmp(failing, function) == 0 ? 719 : 0;
}

Result cuInit(unsigned flags) { return flags == 0 ? outcome("cuInit") : 1; }
/* What the doctor asks by name. FAKE_CUDA_VERSION is the driver's ("13000"), FAKE_CUDA_COUNT that of GPUs. */
static int setting(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value == NULL ? otherwise : atoi(value);
}
Result cuDriverGetVersion(int* version) { return *version = setting("FAKE_CUDA_VERSION", 13000), 0; }
Result cuDeviceGetCount(int* count) { return *count = setting("FAKE_CUDA_COUNT", 1), 0; }

static Result error_string(Result result, const char** words) {
  *words = result == 719 ? "a failure as ordered" : "no error";
  return 0;
}
Result cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return outcome("cuDeviceGet");
}
Result cuDeviceGetName(char* name, int length, int device) {
  snprintf(name, length, "Fake %d", device);
  return 0;
}
Result cuDeviceGetAttribute(int* value, int attribute, int device) {
  const char* capability = getenv("FAKE_CUDA_SM");
  const int number = capability == NULL ? 90 : atoi(capability);
  (void)device;
  *value = attribute == 75 ? number / 10 : attribute == 76 ? number % 10 : attribute == 16 ? 132 : 0;
  return 0;
}
static Result context_retain(void** context, int device) {
  *context = (void*)(long)(device + 1);
  return 0;
}
static Result context_device(int* device) { return *device = -1, 201; }
static Result context_push(void* context) { return context == NULL; }
static Result context_pop(void** context) { return *context = NULL, 0; }
static Result load(void** library, const void* code, void* a, void* b, unsigned c, void* d, void* e, unsigned f) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  *library = (void*)code;
  return outcome("cuLibraryLoadData");
}
static Result get_kernel(void** kernel, void* library, const char* name) {
  *kernel = library;
  return strcmp(name, "gemm") == 0 ? 0 : 500;
}
static Result set_attribute(int attribute, int value, void* kernel, int device) {
  (void)attribute, (void)kernel, (void)device;
  return value > 232448;
}
/* What a tensor map is asked for, written in place of the driver's 128 bytes. */
struct Map {
  unsigned long long address;
  long long extents[3], strides[2]; /* strides in bytes */
  unsigned box[3];
  int type, swizzle, promotion;
};

static Result encode(struct Map* map, int type, unsigned rank, void* address, const unsigned long long* extents,
                     const unsigned long long* strides, const unsigned* box, const unsigned* steps, int interleave,
                     int swizzle, int promotion, int fill) {
  (void)steps, (void)interleave, (void)fill;
  const int valid = rank == 3 && (unsigned long)address % 16 == 0 && extents[0] > 0 && extents[1] > 0 &&
                    extents[2] > 0 && strides[0] % 16 == 0 && strides[1] % 16 == 0 && box[0] <= 256 && box[1] <= 256;
  if (!valid) return 1;
  *map = (struct Map){(unsigned long)address, {extents[0], extents[1], extents[2]}, {strides[0], strides[1]},
                      {box[0], box[1], box[2]}, type, swizzle, promotion};
  return outcome("cuTensorMapEncodeTiled");
}

/* The kernel's parameter, as shared/gemm_arguments.hpp lays it out. */
struct Arguments {
  unsigned schedule[11];
  unsigned k_steps, tile_rows, stage_bytes, part_steps, prefetched_a, early_b, prefetched_b, m, n, store_rows_unaligned;
  const int* layout;
  unsigned grouping, groups, alignment;
  const float* scale_b;
  long long scale_b_strides[3];
  const void *c, *output;
  long long c_stride, d_stride, d_group_stride;
  union {
    _Alignas(128) struct Map asked;
    char bytes[128];
  } maps[5]; /* a, b, d, scale_a, scale_b */
};

static void log_arguments(FILE* log, const struct Arguments* given) {
  static const char* const names[] = {"a", "b", "d", "scale_a", "scale_b"};
  fprintf(log, "{");
  for (int i = 0; i < 5; ++i) {
    const struct Map* map = &given->maps[i].asked;
    fprintf(log,
            "\"%s\": {\"address\": %llu, \"extents\": [%lld, %lld, %lld], \"strides\": [%lld, %lld], "
            "\"box\": [%u, %u, %u], \"type\": %d, \"swizzle\": %d, \"promotion\": %d}, ",
            names[i], map->address, map->extents[0], map->extents[1], map->extents[2], map->strides[0], map->strides[1],
            map->box[0], map->box[1], map->box[2], map->type, map->swizzle, map->promotion);
  }
  fprintf(log, "\"c\": %llu, \"output\": %llu, \"m\": %u, \"n\": %u, \"k_steps\": %u, "
          "\"tile_rows\": %u, \"stage_bytes\": %u, \"part_steps\": %u, \"unaligned\": %u, ",
          (unsigned long long)given->c, (unsigned long long)given->output, given->m, given->n, given->k_steps,
          given->tile_rows, given->stage_bytes, given->part_steps, given->store_rows_unaligned);
  fprintf(log, "\"prefetched_a\": %u, \"early_b\": %u, \"prefetched_b\": %u, ", given->prefetched_a, given->early_b,
          given->prefetched_b);
  fprintf(log, "\"scale_b_strides\": [%lld, %lld, %lld], ", given->scale_b_strides[0], given->scale_b_strides[1],
          given->scale_b_strides[2]);
  fprintf(log, "\"grouping\": %u, \"groups\": %u, \"alignment\": %u}\n", given->grouping, given->groups,
          given->alignment);
}

struct LaunchConfig {
  unsigned grid[3], block[3], shared;
  void* stream;
  const struct {
    int id, pad;
    unsigned value[16];
  } * attributes;
  unsigned attribute_count;
};

static Result launch(const struct LaunchConfig* config, void* kernel, void** parameters, void** extra) {
  FILE* log = fopen(getenv("FAKE_CUDA_LOG"), "a");
  (void)kernel, (void)extra;
  fprintf(log, "%u %u %u %ld", config->grid[0], config->block[0], config->shared, (long)config->stream);
  for (unsigned i = 0; i < config->attribute_count; ++i)
    fprintf(log, " %d:%u", config->attributes[i].id, config->attributes[i].value[0]);
  fprintf(log, "\n");
  log_arguments(log, parameters[0]);
  fclose(log);
  return outcome("cuLaunchKernelEx");
}

Result cuGetProcAddress_v2(const char* name, void** entry, int version, unsigned long long flags, void* query) {
  static const struct {
    const char* name;
    void* entry;
  } entries[] = {{"cuGetErrorString", error_string},
                 {"cuDeviceGet", cuDeviceGet},
                 {"cuDeviceGetName", cuDeviceGetName},
                 {"cuDeviceGetAttribute", cuDeviceGetAttribute},
                 {"cuDevicePrimaryCtxRetain", context_retain},
                 {"cuCtxGetDevice", context_device},
                 {"cuCtxPushCurrent", context_push},
                 {"cuCtxPopCurrent", context_pop},
                 {"cuLibraryLoadData", load},
                 {"cuLibraryGetKernel", get_kernel},
                 {"cuKernelSetAttribute", set_attribute},
                 {"cuLaunchKernelEx", launch},
                 {"cuTensorMapEncodeTiled", encode}};
  (void)version, (void)flags, (void)query;
  const char* missing = getenv("FAKE_CUDA_MISSING");
  for (unsigned i = 0; i < sizeof(entries) / sizeof(*entries); ++i)
    if (strcmp(name, entries[i].name) == 0 && (missing == NULL || strcmp(missing, name) != 0))
      return *entry = entries[i].entry, 0;
  return 500;
}
