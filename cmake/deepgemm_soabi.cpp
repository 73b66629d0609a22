// Linked into an upstream extension: states which CPython its headers were, as the binding of csrc/deep_gemm does.
extern "C" __attribute__((visibility("default"), used)) const char deep_gemm_soabi[] =
    "deep_gemm_soabi=" DEEP_GEMM_SOABI;
