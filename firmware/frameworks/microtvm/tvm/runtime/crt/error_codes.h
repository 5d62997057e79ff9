/* Stands in for TVM's header of this name when an archive comes without: what its kernels for Cortex-M
 * return. */
#ifndef HB_MICROTVM_ERROR_CODES_H
#define HB_MICROTVM_ERROR_CODES_H

typedef enum {
    kTvmErrorNoError = 0,
    kTvmErrorFunctionCallInvalidArg = 8 << 8 | 3,
} tvm_crt_error_t;

#endif
