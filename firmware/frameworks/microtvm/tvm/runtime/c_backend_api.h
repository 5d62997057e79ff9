/* Stands in for TVM's header of this name when an archive comes without. */
#ifndef HB_MICROTVM_C_BACKEND_API_H
#define HB_MICROTVM_C_BACKEND_API_H

#include <tvm/runtime/c_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The workspace is a stack; NULL when it is full. Defined in hb_microtvm.c. */
void *TVMBackendAllocWorkspace(int device_type, int device_id, uint64_t bytes, int type_code, int type_bits);
int TVMBackendFreeWorkspace(int device_type, int device_id, void *block);

#ifdef __cplusplus
}
#endif

#endif
