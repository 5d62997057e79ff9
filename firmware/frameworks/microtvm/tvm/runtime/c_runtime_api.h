/* Stands in for TVM's header of this name when an archive comes without: what the C of its ahead-of-time
 * executor needs. */
#ifndef HB_MICROTVM_C_RUNTIME_API_H
#define HB_MICROTVM_C_RUNTIME_API_H

#include <dlpack/dlpack.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TVM_DLL

/* An argument of a packed function; 8 bytes. */
typedef union {
    int64_t v_int64;
    double v_float64;
    void *v_handle;
    const char *v_str;
} TVMValue;

#ifdef __cplusplus
}
#endif

#endif
