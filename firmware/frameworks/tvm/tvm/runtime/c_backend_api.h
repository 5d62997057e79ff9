/* Stands in for TVM's header of this name, for C that TVM generated without its packed ABI.
 * A kernel's workspace is a stack that starts at hb_tvm_workspace; the model gives each kernel all that it
 * takes. */
#ifndef HB_TVM_C_BACKEND_API_H
#define HB_TVM_C_BACKEND_API_H

#include "hb_tvm.h"

#define HB_TVM_WORKSPACE_ALIGNMENT 16u

static inline void *TVMBackendAllocWorkspace(int device_type, int device_id, uint64_t bytes, int type_code,
                                             int type_bits) {
    (void)device_type, (void)device_id, (void)type_code, (void)type_bits;
    int8_t *block = hb_tvm_workspace;
    hb_tvm_workspace +=
        (bytes + HB_TVM_WORKSPACE_ALIGNMENT - 1) / HB_TVM_WORKSPACE_ALIGNMENT * HB_TVM_WORKSPACE_ALIGNMENT;
    return block;
}

static inline int TVMBackendFreeWorkspace(int device_type, int device_id, void *block) {
    (void)device_type, (void)device_id;
    hb_tvm_workspace = (int8_t *)block;
    return 0;
}

#endif
