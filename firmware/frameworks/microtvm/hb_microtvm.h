/* Between the code that TVM's ahead-of-time executor generated and hb_model.h. One generated file per model
 * defines what is declared here. */
#ifndef HB_MICROTVM_H
#define HB_MICROTVM_H

#include "hb_model.h"

/* What TVM aligns its workspaces to: TVM_RUNTIME_ALLOC_ALIGNMENT_BYTES of its C runtime. */
#define HB_MICROTVM_ALIGNED __attribute__((aligned(16)))

extern hb_tensor hb_microtvm_inputs[];
extern hb_tensor hb_microtvm_outputs[];
extern const uint32_t hb_microtvm_input_count;
extern const uint32_t hb_microtvm_output_count;

/* Memory for TVMBackendAllocWorkspace(), a stack. */
extern uint8_t hb_microtvm_workspace[];
extern const uint32_t hb_microtvm_workspace_bytes;

/* Fills in hb_microtvm_inputs and hb_microtvm_outputs where the model says where they are. */
void hb_microtvm_bind(void);

/* Runs the model; 0 if it did. */
int32_t hb_microtvm_run(void);

#endif
