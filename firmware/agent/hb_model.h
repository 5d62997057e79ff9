/* What a framework implements: one model, with its inputs, its outputs and one call that runs it.
 *
 * The agent copies inputs in before every hb_model_invoke() and outputs out after it, so an implementation
 * may reuse the memory of either. Nothing here may allocate from a heap. Built as C11; usable from C++. */
#ifndef HB_MODEL_H
#define HB_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor's place in memory. Its dtype, shape and quantisation are in the image's manifest. */
typedef struct {
    void *data;
    uint32_t bytes;
} hb_tensor;

/* Called once after reset. Returns 0, or another value if the model cannot run. */
int hb_model_init(void);

uint32_t hb_model_input_count(void);
uint32_t hb_model_output_count(void);

/* Valid after hb_model_init(); `index` is below the count. */
hb_tensor hb_model_input(uint32_t index);
hb_tensor hb_model_output(uint32_t index);

/* Runs the model once. Returns 0, or another value if it failed. */
int hb_model_invoke(void);

/* Bytes of tensor memory in use after hb_model_init(), or 0 if the framework cannot tell. */
uint32_t hb_model_arena_used(void);

/* Optional: why hb_model_init() or hb_model_invoke() failed, in words for the user. */
const char *hb_model_message(void);

/* RAM that nothing else of the image uses (from the port's linker script; begins at a multiple of 16). A
 * framework that plans its memory on the device takes its arena from the beginning of it. Only what
 * hb_model_arena_used() then says is reported as RAM of the model. */
extern uint8_t hb_port_spare_begin[], hb_port_spare_end[];

/* Optional: ends operator `index` of hb_model_invoke(); what ran since the last end was its work. An index
 * that is no operator's stands for the runtime. Costs nothing but in images that are built for a profile. */
#ifdef HB_PROFILE
void hb_profile_operator(uint32_t index);
#define HB_OPERATOR_DONE(index) hb_profile_operator(index)
#else
#define HB_OPERATOR_DONE(index) ((void)0)
#endif

#ifdef __cplusplus
}
#endif

#endif
