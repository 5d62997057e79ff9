/* Implements hb_model.h over one generated model, and the two functions that TVM's unpacked code calls. */
#include "hb_microtvm.h"

#include <stddef.h>

#define ALIGNMENT 16u

static uint32_t used;

int hb_model_init(void) {
    hb_microtvm_bind();
    return 0;
}

uint32_t hb_model_input_count(void) {
    return hb_microtvm_input_count;
}

uint32_t hb_model_output_count(void) {
    return hb_microtvm_output_count;
}

hb_tensor hb_model_input(uint32_t index) {
    return hb_microtvm_inputs[index];
}

hb_tensor hb_model_output(uint32_t index) {
    return hb_microtvm_outputs[index];
}

int hb_model_invoke(void) {
    used = 0;
    return (int)hb_microtvm_run();
}

/* The plan of the memory is in the manifest. */
uint32_t hb_model_arena_used(void) {
    return 0;
}

/* Generated code frees in the reverse order, and gives up when it gets NULL. */
void *TVMBackendAllocWorkspace(int device_type, int device_id, uint64_t bytes, int type_code, int type_bits);
int TVMBackendFreeWorkspace(int device_type, int device_id, void *block);

void *TVMBackendAllocWorkspace(int device_type, int device_id, uint64_t bytes, int type_code, int type_bits) {
    (void)device_type, (void)device_id, (void)type_code, (void)type_bits;
    if (bytes > hb_microtvm_workspace_bytes - used) {
        return NULL;
    }
    void *block = hb_microtvm_workspace + used;
    uint32_t end = used + ((uint32_t)bytes + ALIGNMENT - 1u) / ALIGNMENT * ALIGNMENT;
    used = end < hb_microtvm_workspace_bytes ? end : hb_microtvm_workspace_bytes;
    return block;
}

int TVMBackendFreeWorkspace(int device_type, int device_id, void *block) {
    (void)device_type, (void)device_id;
    used = (uint32_t)((uint8_t *)block - hb_microtvm_workspace);
    return 0;
}
